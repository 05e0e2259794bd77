"""The managed local Neo4j of one working folder: install, start, watch, stop."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout
from pydantic import SecretStr

from colisten.errors import GraphError, OutOfSpaceError
from colisten.graph_store.endpoint import (
    BrokenStoreError,
    ClosedError,
    Endpoint,
    FrozenError,
    UnreachableError,
    connect,
)
from colisten.graph_store.server import process
from colisten.graph_store.server.conf import LOOPBACK, read_ports, write_conf
from colisten.graph_store.server.diagnosis import needs_restart, why_it_failed
from colisten.graph_store.server.jars import VERSION
from colisten.progress import Progress
from colisten.settings import Neo4jSettings
from colisten.workdir import replacing_file

_USER = "neo4j"
_PASSWORD_BYTES = 20
_SPARE = 64 << 20
_SECONDS_TO_START = 180
_SECONDS_TO_WAIT = 600


@dataclass(frozen=True)
class Status:
    """What `status` reports; addresses, pid and memory only of a running server."""

    running: bool
    uri: str | None
    http: str | None
    pid: int | None
    memory: int | None
    """Resident bytes."""
    store: int
    """Bytes of the data on disk."""


class ManagedServer:
    """Neo4j in `folder`: its data, configuration, logs and password. One server per folder, whoever starts it."""

    def __init__(self, folder: Path, options: Neo4jSettings, progress: Progress) -> None:
        self.folder = folder.resolve()
        self._options = options
        self._progress = progress
        self._conf = self.folder / "conf/neo4j.conf"
        self._password, self._copy = self.folder / "password", self.folder / "conf/password"
        self._lock = FileLock(self.folder / "lock", timeout=_SECONDS_TO_WAIT)

    def start(self) -> Endpoint:
        """Start the server unless it runs, wait until it answers, and return its endpoint.

        Raises:
            FrozenError: it runs and does not answer.
            BrokenStoreError: it cannot open its database.
            GraphError: it cannot be installed or started: a port is taken, or the data is of another version.
            OutOfSpaceError: the disk is full.
        """
        with self._alone():
            if process.find(self.folder) and read_ports(self._conf).bolt:
                try:
                    return self._await_answer(ran=True)
                except (GraphError, OutOfSpaceError) as error:
                    if not isinstance(error, ClosedError) and not needs_restart(self.folder):
                        raise
            process.stop(self.folder)  # nobody knows where it listens, or its database has closed, as on a full disk
            self._launch()
            return self._await_answer(ran=False)

    def running(self) -> Endpoint | None:
        """How to reach the server if it runs; nothing is started or waited for.

        Raises:
            GraphError: it is another user's.
        """
        with self._as_its_owner():
            return self._endpoint() if process.find(self.folder) else None

    def stop(self) -> bool:
        """Stop the server in good order; false if it did not run."""
        if not self.folder.exists():
            return False
        with self._alone():
            return process.stop(self.folder)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Offline work on the data: the server is stopped, nobody can start it meanwhile, afterwards it runs again
        if it ran before."""
        with self._alone():
            ran = self.stop()
            try:
                yield
            finally:
                if ran:
                    self.start()

    def admin(self, *words: str) -> str:
        """Run `neo4j-admin` with `words` against this server's data and configuration; returns its output.

        Raises:
            GraphError: it failed, with its last line.
        """
        with self._alone():
            self._lay_out()
            return process.run_admin(self.folder, self._jars(), self._options.memory_mb, words)

    def status(self) -> Status:
        """Whether it runs and where, and what it takes of memory and disk."""
        store = sum(_size(Path(at, name)) for at, _, names in os.walk(self.folder / "data") for name in names)
        with self._as_its_owner():
            running = process.find(self.folder)
        if running is None:
            return Status(False, None, None, None, None, store)
        http = f"http://{LOOPBACK}:{read_ports(self._conf).http}"
        return Status(True, self._endpoint().uri, http, running.pid, running.memory_info().rss, store)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            with self._as_its_owner():
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                (self.folder / "logs").mkdir(exist_ok=True)
                self._lock.acquire()
        except Timeout as error:
            raise GraphError(f"Another process keeps {self.folder} busy: wait for it to end, and try again.") from error
        try:
            yield
        finally:
            self._lock.release()

    @contextmanager
    def _as_its_owner(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise GraphError(
                f"The Neo4j in {self.folder} is its owner's alone: name a server by COLISTEN_NEO4J_URI and _PASSWORD, "
                "or run as its owner."
            ) from error

    def _endpoint(self) -> Endpoint:
        uri = f"bolt://{LOOPBACK}:{read_ports(self._conf).bolt}"
        return Endpoint(uri, _USER, SecretStr(self._read_password()))

    def _lay_out(self) -> None:
        self._check_version()
        if not self._conf.exists():
            write_conf(self._conf, self._options)

    def _launch(self) -> None:
        self._check_version()
        if psutil.disk_usage(str(self.folder)).free < _SPARE:  # one that runs out of disk does not end but hangs
            raise OutOfSpaceError(f"Less than {_SPARE >> 20} MB are left for Neo4j in {self.folder}: free some first.")
        jars = self._jars()
        write_conf(self._conf, self._options)
        self._ensure_password()
        self._progress.say(f"Starting Neo4j {VERSION} in {self.folder} …")
        process.launch(self.folder, jars, self._options.memory_mb)

    def _jars(self) -> list[Path]:
        from colisten.graph_store.server.install import installed_jars  # httpx takes longer than asking what runs

        return installed_jars(self._progress)

    def _check_version(self) -> None:
        stamp = self.folder / "version"
        if not stamp.exists():
            with replacing_file(stamp) as draft:
                draft.write_text(VERSION)
        found = stamp.read_text()
        if found.split(".")[:2] != VERSION.split(".")[:2]:
            raise GraphError(
                f"{self.folder} was written by Neo4j {found}, and this Colisten runs {VERSION}: delete that folder "
                "and build the graph again, or use the Colisten that made it."
            )

    def _ensure_password(self) -> None:
        new = not (self.folder / "data/databases/system").exists()
        password = self._known_password() or (secrets.token_hex(_PASSWORD_BYTES) if new else self._read_password())
        for path in self._password, self._copy:  # nothing else could tell it again
            with replacing_file(path) as draft:
                draft.write_text(password)
        if new:  # an argument file keeps the password out of the list of processes
            self.admin("dbms", "set-initial-password", f"@{self._password}")

    def _known_password(self) -> str | None:
        found = (path.read_text() for path in (self._password, self._copy) if path.exists())
        return next((password for password in found if len(password) == 2 * _PASSWORD_BYTES), None)

    def _read_password(self) -> str:
        if password := self._known_password():
            return password
        raise GraphError(
            f"{self._password} is missing or damaged, and without it nobody can read the data beside it: put it back, "
            f"or delete {self.folder} and build the graph again."
        )

    def _await_answer(self, *, ran: bool) -> Endpoint:
        """Wait for a server that starts; one that `ran` before and takes connections has started."""
        endpoint = self._endpoint()
        deadline = time.monotonic() + _SECONDS_TO_START
        while True:
            try:
                if self._answers(endpoint, ran=ran):
                    return endpoint
            except ClosedError as error:  # its database opens after the server has
                if isinstance(why := why_it_failed(self.folder), OutOfSpaceError):
                    raise why from error
                if ran or isinstance(error, BrokenStoreError) or time.monotonic() >= deadline:
                    raise
            ended = process.find(self.folder) is None or needs_restart(self.folder)
            if ended or time.monotonic() > deadline:
                raise why_it_failed(self.folder)
            time.sleep(0.1)

    def _answers(self, endpoint: Endpoint, *, ran: bool) -> bool:
        try:
            # A plain knock first: the driver is slow to give up.
            socket.create_connection((LOOPBACK, read_ports(self._conf).bolt), timeout=1).close()
            connect(endpoint).close()
        except FrozenError:
            if ran:
                raise
            return False
        except (OSError, UnreachableError):
            return False
        return True


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # a running server drops files as it goes
        return 0
