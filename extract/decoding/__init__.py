"""Video files and folders of frame images to frames, in order, in worker processes."""
