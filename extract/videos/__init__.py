"""Videos of any kind to frames, in order: listing, containers, decoders, worker processes."""
