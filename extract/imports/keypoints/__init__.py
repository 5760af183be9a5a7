"""Keypoints of other detectors, as 133 points of COCO-WholeBody."""
