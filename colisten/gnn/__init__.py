"""The heterogeneous GNN: link-prediction training on sampled neighbourhoods, and an embedding for every item."""
