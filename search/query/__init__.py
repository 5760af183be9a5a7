"""From a sentence or a video to hits, moments and reasons."""
