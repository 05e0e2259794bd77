"""Published item vectors in Qdrant: a server, or the engine embedded in this process."""
