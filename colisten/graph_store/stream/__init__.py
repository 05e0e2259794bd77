"""Neighbourhoods streamed out of Neo4j, for any PyG model.

`LiveAdjacency` (Cypher, a cache with a byte budget) or `SnapshotAdjacency` (memory-mapped files) gives the neighbours
of every item; `NeighbourSampler` draws from either, the same batch for the same key; `stream` prefetches on threads;
`to_hetero_data` makes a `HeteroData` of it. `pyg` has the adapters for PyG's own loaders.
"""
