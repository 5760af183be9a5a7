"""Stores become files of other programs."""
