"""The HTTP server of `colisten serve`: a JSON API (FastAPI) and one page."""
