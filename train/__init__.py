"""Stage two: stores become a retrieval model."""
