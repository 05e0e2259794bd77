"""Text features, the heterogeneous GNN, its training, and an embedding for every item."""
