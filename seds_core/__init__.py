"""What extraction and training must agree on: clips, keypoints, settings, stores."""
