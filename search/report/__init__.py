"""Self-contained HTML files that show why."""
