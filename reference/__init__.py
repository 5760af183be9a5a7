"""The obvious slow versions of fast code, which tests and benchmarks compare it with."""
