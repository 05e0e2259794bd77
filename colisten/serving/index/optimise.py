"""Qdrant's optimiser over a freshly written shard: merge its segments and build the HNSW graph.

A process of its own, `python -m colisten.serving.index.optimise FOLDER`: the engine holds the GIL for as long as this
takes (seconds for 250,000 items, minutes with a graph), and the progress bar would stop.
"""

from __future__ import annotations

import sys

from qdrant_edge import EdgeShard


def main(folder: str) -> None:
    """Optimise the shard in `folder`, which no other process has open."""
    shard = EdgeShard.load(folder)
    shard.optimize()
    shard.flush()
    shard.close()


if __name__ == "__main__":
    main(sys.argv[1])
