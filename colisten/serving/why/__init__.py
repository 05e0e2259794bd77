"""Explanations of recommendations: co-listening paths, similar texts, popularity, else the model alone."""
