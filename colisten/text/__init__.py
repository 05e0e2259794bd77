"""Sentence embeddings of items' texts: the encoder, and a cache by content."""
