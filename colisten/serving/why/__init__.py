"""Explanations of recommendations: paths and links of the graph, similar texts, popularity, else the model alone."""
