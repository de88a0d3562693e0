"""Similarity and retrieval quality of any encoder, with intervals for every difference."""
