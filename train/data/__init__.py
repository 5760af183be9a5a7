"""Stores and captions become batches."""
