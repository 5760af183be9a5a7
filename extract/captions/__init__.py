"""The caption files of data sets become one index."""
