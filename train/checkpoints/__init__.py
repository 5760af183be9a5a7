"""Reading weight files of other programs."""
