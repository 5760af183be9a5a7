"""Sweeps: several recipes and seeds, trained, compared and reported."""
