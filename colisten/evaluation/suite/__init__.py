"""The paper's comparison (arXiv 2403.05185, tables 1 to 3), run again on any data."""
