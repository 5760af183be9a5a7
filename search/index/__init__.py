"""The index as files: built, added to, deleted from, verified, and read while it is written."""
