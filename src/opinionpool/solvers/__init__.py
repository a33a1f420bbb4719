"""Solvers: they know value, gradient, curvature and the feasible set, nothing else."""
