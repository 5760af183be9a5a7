"""A drawn signer: sign-language videos with exact keypoints, made by code from integer seeds."""
