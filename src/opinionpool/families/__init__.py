"""Families: what is predicted, one file each."""
