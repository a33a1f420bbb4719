"""Kernels: the arithmetic over rows, a plain reference and its compiled twins."""
