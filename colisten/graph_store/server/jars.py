"""What the managed server is made of: the locked jars, and where this user keeps them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import platformdirs

VERSION = "5.26.30"
"""The Neo4j that is installed and tested: the latest patch of the long-term release."""
ROOTS = (f"org.neo4j:neo4j:{VERSION}", f"org.neo4j.app:neo4j-server:{VERSION}")
"""The Maven coordinates that pull in all the rest."""
LOCK = Path(__file__).with_name("jars.lock")


@dataclass(frozen=True)
class Jar:
    """One jar by its Maven coordinates, with what it must weigh and hash to."""

    group: str
    artifact: str
    version: str
    classifier: str = ""
    sha256: str = ""
    size: int = 0

    @property
    def name(self) -> str:
        return "-".join(filter(None, (self.artifact, self.version, self.classifier))) + ".jar"

    @property
    def path(self) -> str:
        """Where a Maven repository keeps it, relative to its base address."""
        return "/".join((*self.group.split("."), self.artifact, self.version, self.name))

    @property
    def line(self) -> str:
        """Its line in the lock."""
        coordinates = ":".join((self.group, self.artifact, self.version, *filter(None, [self.classifier])))
        return f"{coordinates} {self.sha256} {self.size}"

    @classmethod
    def parse(cls, line: str) -> Self:
        coordinates, sha256, size = line.split()
        group, artifact, version, *classifier = coordinates.split(":")
        return cls(group, artifact, version, "".join(classifier), sha256, int(size))


def locked() -> tuple[Jar, ...]:
    """The jars of the lock, in its order (that of the class path)."""
    return tuple(Jar.parse(line) for line in LOCK.read_text().splitlines())


def cache_folder() -> Path:
    """The user's cache, shared by all working folders: `COLISTEN_CACHE`, or the system's place for caches."""
    return Path(os.environ.get("COLISTEN_CACHE") or platformdirs.user_cache_dir("colisten"))
