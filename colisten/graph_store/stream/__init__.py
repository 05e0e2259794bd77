"""Neighbourhoods streamed out of Neo4j, for any PyG model.

`LiveAdjacency` (Cypher, a cache with a byte budget) or `SnapshotAdjacency` (memory-mapped files) says who is next to
whom; `NeighbourSampler` draws from either, the same batch for the same key; `stream` runs it ahead of the model on
threads; `to_hetero_data` makes the batch PyG's. `pyg` has the adapters for PyG's own loaders.
"""
