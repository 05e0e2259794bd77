"""From settings to a working driver: the server the user names, or the managed one of the working folder."""

from __future__ import annotations

from neo4j import Driver

from colisten.errors import GraphError
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.server.managed import ManagedServer
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.workdir import Workdir


def find_endpoint(settings: Settings, workdir: Workdir, progress: Progress) -> Endpoint:
    """The server of `settings.neo4j.uri`; where none is set, the managed one, started if need be.

    Raises:
        GraphError: the managed server cannot be installed or started, or a server is named without its password.
    """
    return _named(settings) or ManagedServer(workdir.neo4j, settings.neo4j, progress).start()


def running_endpoint(settings: Settings, workdir: Workdir) -> Endpoint | None:
    """Like `find_endpoint`, but a managed server that does not run is not started: then None.

    Raises:
        GraphError: a server is named without its password.
    """
    return _named(settings) or ManagedServer(workdir.neo4j, settings.neo4j, Progress(quiet=True)).running()


def _named(settings: Settings) -> Endpoint | None:
    """The server that the settings name."""
    given = settings.neo4j
    if given.uri is None:
        return None
    if given.password is None:
        raise GraphError(f"neo4j.uri is set without a password: set COLISTEN_NEO4J_PASSWORD for {given.user!r}.")
    return Endpoint(given.uri, given.user, given.password)


def open_driver(settings: Settings, workdir: Workdir, progress: Progress) -> Driver:
    """A driver that has been checked to work; the caller closes it.

    Raises:
        GraphError: see `find_endpoint` and `connect`.
    """
    return connect(find_endpoint(settings, workdir, progress), settings.neo4j.database)
