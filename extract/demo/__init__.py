"""Drawn signers and the keypoint model that is trained on them, beside the pipeline."""
