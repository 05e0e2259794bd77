"""The vector index (Qdrant), user profiles, recommendation, explanations and the HTTP server."""
