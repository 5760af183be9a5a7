"""Indexes of encoded videos, searched by sentence and by video."""
