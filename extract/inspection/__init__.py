"""What a person asks of a finished store: what is in it, is it right, what does it look like."""
