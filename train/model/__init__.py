"""The SEDS model: encoders, fusion, matching."""
