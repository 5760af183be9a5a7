"""Optimiser, schedule, parameter groups."""
