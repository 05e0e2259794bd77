"""The managed server's `neo4j.conf`: loopback, Bolt and HTTP only, no usage reports, nothing read but its data."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import NamedTuple

from colisten.errors import GraphError
from colisten.graph_store.endpoint import SECONDS_WITHOUT_A_SIGN
from colisten.settings import Neo4jSettings
from colisten.workdir import replacing_file

LOOPBACK = "127.0.0.1"
_SIGNS = 5
_SECONDS_TO_LET_GO = 2
"""A killed server is gone a moment before its ports are free."""


class Ports(NamedTuple):
    """Where the server listens."""

    bolt: int
    http: int


def write_conf(file: Path, options: Neo4jSettings) -> Ports:
    """Write the configuration for a start and return its ports: those set, else the last ones, else free ones.

    Raises:
        GraphError: a port that is set is taken.
    """
    last = read_ports(file)
    bolt = _port("neo4j.bolt_port", options.bolt_port, last.bolt)
    http = _port("neo4j.http_port", options.http_port, last.http, but=bolt)
    lines = {
        "server.default_listen_address": LOOPBACK,
        "server.default_advertised_address": LOOPBACK,
        "server.bolt.enabled": "true",
        "server.bolt.listen_address": f"{LOOPBACK}:{bolt}",
        "server.bolt.advertised_address": f"{LOOPBACK}:{bolt}",
        "server.http.enabled": "true",
        "server.http.listen_address": f"{LOOPBACK}:{http}",
        "server.http.advertised_address": f"{LOOPBACK}:{http}",
        "server.https.enabled": "false",
        "dbms.usage_report.enabled": "false",
        # No query reads a file or an address, whoever sends it: the password lies beside the data.
        "dbms.security.allow_csv_import_from_file_urls": "false",
        "internal.dbms.cypher_ip_blocklist": "0.0.0.0/0,::/0",
        "server.memory.pagecache.size": f"{options.memory_mb // 2}m",
        "db.logs.query.enabled": "OFF",
        # The graph can be built again from its edges: keep no logs for replay, and no 256 MB of each in advance.
        "db.tx_log.preallocate": "false",
        "db.tx_log.rotation.retention_policy": "keep_none",
        # A query at work gives a sign of life every few seconds, and the driver is told to take ten without any for a
        # server that has frozen: else two minutes.
        "server.bolt.connection_keep_alive": f"{SECONDS_WITHOUT_A_SIGN // _SIGNS}s",
        "server.bolt.connection_keep_alive_probes": str(_SIGNS),
        "server.bolt.connection_keep_alive_streaming_scheduling_interval": "1s",
        # A stop waits ten seconds for idle connections by default.
        "internal.dbms.bolt.netty_server_shutdown_quiet_period": "0",
        "internal.dbms.bolt.netty_server_shutdown_timeout": "1s",
        "internal.server.bolt.thread_pool_shutdown_wait_time": "1s",
    }
    with replacing_file(file) as draft:
        draft.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
    return Ports(bolt, http)


def read_ports(file: Path) -> Ports:
    """The ports of the last start; zeros if there was none, or they cannot be read."""
    lines = dict(line.partition("=")[::2] for line in file.read_text().splitlines()) if file.exists() else {}
    found = [lines.get(f"server.{kind}.listen_address", "").rpartition(":")[2] for kind in ("bolt", "http")]
    return Ports(*map(int, found)) if all(port.isdecimal() for port in found) else Ports(0, 0)


def _port(key: str, wanted: int, last: int, but: int = 0) -> int:
    if wanted:
        if wanted == but or not _gets_free(wanted):
            raise GraphError(f"Port {wanted} is taken: set {key} to another one, or to 0 for any that is free.")
        return wanted
    return last if last and last != but and _gets_free(last) else _any_free()


def _gets_free(port: int) -> bool:
    deadline = time.monotonic() + _SECONDS_TO_LET_GO
    while not _is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _any_free() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
