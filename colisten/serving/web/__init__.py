"""`colisten serve`: a JSON API and one page, over HTTP."""
