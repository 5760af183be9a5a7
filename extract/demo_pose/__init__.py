"""A small whole-body pose model for MMPose, trained on the drawn signer."""
