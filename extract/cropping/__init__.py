"""Where the signer is in every clip of a long recording."""
