"""What tests and benchmarks share: the obvious slow versions of fast code, and small stores."""
