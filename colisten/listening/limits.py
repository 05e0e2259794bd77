"""Bounds of single values, the same for files and for events."""

from __future__ import annotations

LONGEST_ID = 8164
"""Bytes that an id may have: Neo4j indexes no longer ones."""
YEAR_2100 = 4_102_444_800
"""Seconds: a later time is one in another unit."""
