"""Installing from a repository of our own on loopback: what is asked for, what is refused, what survives."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from colisten.errors import GraphError
from colisten.graph_store.server import install
from colisten.graph_store.server.install import installed_jars
from colisten.graph_store.server.jars import VERSION, Jar, locked
from colisten.progress import Progress

CONTENTS = {name: name.encode() * 1000 for name in ("alpha", "beta", "gamma")}


def jar(name: str) -> Jar:
    content = CONTENTS[name]
    return Jar("org.example", name, "1.0", "", hashlib.sha256(content).hexdigest(), len(content))


@dataclass
class Repository:
    """What the server holds, how often it fails first, and what it was asked for."""

    files: dict[str, bytes] = field(default_factory=lambda: {jar(name).path: CONTENTS[name] for name in CONTENTS})
    failures: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    held = Repository()

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.removeprefix("/maven/")
            held.asked[path] += 1
            if held.failures[path] > 0:
                held.failures[path] -= 1
                self.send_error(503)
            elif path in held.files:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(held.files[path])
            else:
                self.send_error(404)

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = tmp_path / "jgo.conf"  # a mirror, as a user would set it
        config.write_text(f"[repositories]\ncentral = http://127.0.0.1:{server.server_address[1]}/maven/\n")
        monkeypatch.setenv("JGO_CONFIG_FILE", str(config))
        monkeypatch.setenv("COLISTEN_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(install, "locked", lambda: tuple(map(jar, CONTENTS)))
        yield held
        server.shutdown()


def put() -> list[Path]:
    return installed_jars(Progress(quiet=True))


def test_the_lock_is_whole() -> None:
    jars = locked()
    assert {(jar.group, jar.artifact) for jar in jars if jar.version == VERSION} >= {
        ("org.neo4j", "neo4j"), ("org.neo4j.app", "neo4j-server"), ("org.neo4j", "neo4j-kernel"),
    }  # fmt: skip
    assert len({jar.name for jar in jars}) == len(jars) > 200
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in jars)
    assert [Jar.parse(jar.line) for jar in jars] == list(jars)


def test_installs_once_in_the_order_of_the_lock(repository: Repository) -> None:
    places = put()
    assert [place.read_bytes() for place in places] == list(CONTENTS.values())
    assert put() == places
    assert set(repository.asked.values()) == {1}


def test_installed_needs_no_network(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    put()
    monkeypatch.setattr(install, "fetch", lambda *_: pytest.fail("the network was touched"))
    assert len(put()) == 3


def test_another_file_than_the_locked_one_is_refused(repository: Repository) -> None:
    forged = bytes(reversed(CONTENTS["beta"]))
    repository.files[jar("beta").path] = forged
    with pytest.raises(GraphError, match=r"beta-1\.0\.jar is not the file .* checksum"):
        put()
    repository.files[jar("beta").path] = CONTENTS["beta"]
    assert forged not in [place.read_bytes() for place in put()]


def test_a_killed_installation_goes_on(repository: Repository) -> None:
    alpha, beta, gamma = put()
    beta.unlink()
    gamma.write_bytes(CONTENTS["gamma"][:10])
    (beta.parent / ".beta-1.0.jar.x7").write_bytes(b"half")
    repository.asked.clear()
    put()
    assert set(repository.asked) == {jar("beta").path, jar("gamma").path}
    assert sorted(beta.parent.iterdir()) == [alpha, beta, gamma]


def test_a_damaged_jar_is_replaced_when_another_is_missing(repository: Repository) -> None:
    alpha, beta, _ = put()
    alpha.write_bytes(bytes(len(CONTENTS["alpha"])))
    beta.unlink()
    assert [place.read_bytes() for place in put()] == list(CONTENTS.values())


def test_two_at_once_download_once(repository: Repository) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len({tuple(done) for done in pool.map(lambda _: put(), range(4))}) == 1
    assert set(repository.asked.values()) == {1}


def test_a_repository_out_of_breath_is_asked_again(repository: Repository) -> None:
    repository.failures[jar("alpha").path] = 1
    assert len(put()) == 3
    assert repository.asked[jar("alpha").path] == 2


def test_a_missing_jar_is_told_at_once(repository: Repository) -> None:
    del repository.files[jar("gamma").path]
    with pytest.raises(GraphError, match=r"gamma-1\.0\.jar cannot be downloaded \(HTTP status 404\)"):
        put()
    assert repository.asked[jar("gamma").path] == 1
