"""Fetching jars side by side from the Maven repositories that the user's jgo knows."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import httpx

from colisten.errors import GraphError
from colisten.graph_store.server.jars import Jar
from colisten.workdir import replacing_file

_SIDE_BY_SIDE = 16
_WAITS = (0, 1, 3)
"""Seconds before each attempt."""


def repositories() -> dict[str, str]:
    """Base addresses by name: jgo's default, and what the user's jgo configuration adds or replaces (a mirror)."""
    from jgo.config import GlobalSettings  # jgo is slow to import, and needed only to install
    from jgo.maven import MavenContext

    addresses: dict[str, str] = MavenContext().remote_repos | GlobalSettings.load().repositories
    return addresses


def fetch(jars: Iterable[Jar], folder: Path, arrived: Callable[[Jar, Path], None]) -> None:
    """Download `jars` into `folder` and call `arrived` (in this thread) with each as it comes, checked and in place.

    Raises:
        GraphError: no repository can be reached or has a jar, or one that came is not the locked one.
    """
    bases = tuple(address.rstrip("/") for address in repositories().values())
    with httpx.Client(follow_redirects=True, timeout=30) as client, ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        largest_first = sorted(jars, key=lambda jar: -jar.size)
        waiting = {pool.submit(_fetch_one, client, bases, jar, folder): jar for jar in largest_first}
        try:
            for done in as_completed(waiting):
                arrived(waiting[done], done.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch_one(client: httpx.Client, bases: tuple[str, ...], jar: Jar, folder: Path) -> Path:
    place = folder / jar.name
    with replacing_file(place) as draft:
        sha256 = _first_that_has_it(client, bases, jar, draft)
        if jar.sha256 not in ("", sha256):
            raise GraphError(
                f"The download of {jar.name} is not the file that Colisten was tested with (its checksum differs): "
                "try again, and if it stays so check the proxy or mirror between here and the Java repository."
            )
    return place


def _first_that_has_it(client: httpx.Client, bases: tuple[str, ...], jar: Jar, draft: Path) -> str:
    problems: list[httpx.HTTPError] = []
    for wait in _WAITS:
        time.sleep(wait)
        problems = []
        for base in bases:
            try:
                return _stream(client, f"{base}/{jar.path}", draft)
            except httpx.HTTPError as error:
                problems.append(error)
        if not any(map(_may_pass, problems)):
            break
    reason = _reason(problems[-1])
    raise GraphError(f"Neo4j's {jar.name} cannot be downloaded ({reason}): check the network and run again.")


def _may_pass(error: httpx.HTTPError) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500 or error.response.status_code in (408, 425, 429)
    return True


def _reason(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP status {error.response.status_code}"
    return str(error) or type(error).__name__


def _stream(client: httpx.Client, address: str, draft: Path) -> str:
    digest = hashlib.sha256()
    with client.stream("GET", address) as response, draft.open("wb") as file:
        response.raise_for_status()
        for piece in response.iter_bytes():
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()
