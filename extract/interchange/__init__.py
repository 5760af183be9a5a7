"""Other people's files, in and out: captions, person boxes, keypoints, features."""
