"""The co-listening graph: edges, Neo4j, inspection and the streaming of neighbourhoods."""
