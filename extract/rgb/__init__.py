"""Frozen video networks, their weights, and the features of clips."""
