"""docker-compose.yml and Dockerfile are checked without an engine: they start what we test, and nobody else reaches it.

Where docker or podman-compose is installed, it reads the file as well.
"""

from __future__ import annotations

import http.server
import os
import re
import shutil
import subprocess
import threading
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from colisten.graph_store.server.jars import VERSION

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SECRETS = {
    "neo4j": ("NEO4J_AUTH", "neo4j/", "COLISTEN_NEO4J_PASSWORD"),
    "qdrant": ("QDRANT__SERVICE__API_KEY", "", "COLISTEN_QDRANT_API_KEY"),
    "serve": ("COLISTEN_SERVE_API_KEY", "", "COLISTEN_SERVE_API_KEY"),
    "train": ("COLISTEN_NEO4J_PASSWORD", "", "COLISTEN_NEO4J_PASSWORD"),
}
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.fixture(params=["neo4j", "qdrant", "serve", "train"])
def service(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = COMPOSE["services"][request.param]
    return found


def test_the_databases_start_alone_and_colisten_by_a_profile() -> None:
    found = {name: service.get("profiles") for name, service in COMPOSE["services"].items()}
    assert found == {"neo4j": None, "qdrant": None, "serve": ["serve"], "train": ["train"]}


def test_colisten_runs_as_nobody_on_a_read_only_root() -> None:
    assert DOCKERFILE.index("ARG BASE=") < DOCKERFILE.index("FROM ")
    assert re.search(r"^USER \d+", DOCKERFILE, re.MULTILINE)
    assert re.findall(r"==[\d.]+|python:3\.11\.\d+", DOCKERFILE), "what it fetches by itself is pinned"
    for name in ("serve", "train"):
        service = COMPOSE["services"][name]
        assert service["build"]["target"] == name
        assert f" AS {name}\n" in DOCKERFILE
        assert service["read_only"]
        assert service["tmpfs"] == ["/tmp"]  # noqa: S108


@pytest.mark.parametrize("program", [["docker", "compose"], ["podman-compose"]], ids=" ".join)
def test_a_real_tool_reads_it(program: list[str]) -> None:
    if (
        not shutil.which(program[0])
        or subprocess.run([*program, "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip(f"{' '.join(program)} is not installed")
    secrets = {setting: "secret" for _, _, setting in SECRETS.values()}
    for profile in ("serve", "train"):
        words = [*program, "--file", str(ROOT / "docker-compose.yml"), "--profile", profile, "config"]
        done = subprocess.run(
            words, env=os.environ | secrets, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT
        )
        assert done.returncode == 0, done.stderr
        assert f"colisten-{profile}" in done.stdout


def test_images_are_those_tested() -> None:
    image, tag = COMPOSE["services"]["neo4j"]["image"].split(":")
    assert (image, tag) == ("neo4j", f"{VERSION}-community")
    image, tag = COMPOSE["services"]["qdrant"]["image"].split(":")
    assert image == "qdrant/qdrant"
    assert tag.removeprefix("v").split(".")[:2] == version("qdrant-client").split(".")[:2]


def test_ports_are_bound_to_loopback(service: dict[str, Any]) -> None:
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", list(SECRETS))
def test_secrets_are_required_from_the_environment(name: str) -> None:
    key, prefix, setting = SECRETS[name]
    value = COMPOSE["services"][name]["environment"][key]
    assert value.startswith(f"{prefix}${{{setting}:?")  # `:?` refuses to start without it
    assert f"\n{setting}=\n" in (ROOT / ".env.example").read_text()


def test_telemetry_is_off() -> None:
    environment = COMPOSE["services"]["neo4j"]["environment"] | COMPOSE["services"]["qdrant"]["environment"]
    assert environment["NEO4J_dbms_usage__report_enabled"] == "false"
    assert environment["QDRANT__TELEMETRY_DISABLED"] == "true"


def test_data_is_in_named_volumes_and_memory_bounded(service: dict[str, Any]) -> None:
    named = [volume for volume in service["volumes"] if not volume.startswith("${LISTENING")]
    assert all(volume.split(":")[0] in COMPOSE["volumes"] for volume in named)
    assert service["mem_limit"]
    assert service.get("healthcheck", {}).get("test") or service["profiles"] == ["train"]


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_qdrant_health_check_reads_the_status(status: int, healthy: bool) -> None:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _, *command = COMPOSE["services"]["qdrant"]["healthcheck"]["test"]
        command[-1] = command[-1].replace("6333", str(server.server_address[1]))
        assert (subprocess.run(command, check=False, timeout=10).returncode == 0) is healthy
        server.shutdown()
