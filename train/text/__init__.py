"""Sentences become words with features."""
