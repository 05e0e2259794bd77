"""The managed local Neo4j: installed once, one data folder per working folder."""
