"""Pickle files as data: arrays and plain containers, and nothing that runs."""
