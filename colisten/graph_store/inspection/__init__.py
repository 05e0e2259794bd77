"""Looking at the graph: figures, one item and its neighbours, and any question in Cypher."""
