"""Feature engineering for both towers, in NumPy: user columns, history bags, item content, popularity."""
