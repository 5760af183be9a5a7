"""Scores of a split, and how sure they are."""
