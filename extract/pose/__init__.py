"""Whole-body keypoints of the signer in every frame of a video."""
