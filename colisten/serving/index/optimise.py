"""Turn a freshly written shard into the form that is opened and searched fastest.

A process of its own, `python -m colisten.serving.index.optimise FOLDER`: the engine keeps the interpreter's lock for as
long as this takes (seconds for 250,000 items, minutes with a graph), and progress would stand still.
"""

from __future__ import annotations

import sys

from qdrant_edge import EdgeShard


def main(folder: str) -> None:
    """Optimise the shard in `folder`, which nobody else has open."""
    shard = EdgeShard.load(folder)
    shard.optimize()
    shard.flush()
    shard.close()


if __name__ == "__main__":
    main(sys.argv[1])
