"""Features of video networks, and which frames they belong to."""
