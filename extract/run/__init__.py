"""One extraction from beginning to end: what is missing, the loop, the report."""
