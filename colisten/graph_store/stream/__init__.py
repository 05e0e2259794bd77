"""Neighbourhoods streamed out of Neo4j: adjacency back ends, the sampler, PyG adapters."""
