"""Features and keypoints of other programs become stores."""
