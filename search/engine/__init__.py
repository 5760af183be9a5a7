"""Scores of a query with many videos: exact, bounded, and from candidates."""
