"""docker-compose.yml is checked without an engine: it starts what we test, and nobody else can reach it."""

from __future__ import annotations

import http.server
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
SECRETS = {"neo4j": ("NEO4J_AUTH", "neo4j/"), "qdrant": ("QDRANT__SERVICE__API_KEY", "")}


@pytest.fixture(params=["neo4j", "qdrant"])
def service(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = COMPOSE["services"][request.param]
    return found


def test_both_services_and_nothing_else() -> None:
    assert set(COMPOSE["services"]) == {"neo4j", "qdrant"}


def test_images_are_those_tested() -> None:
    image, tag = COMPOSE["services"]["neo4j"]["image"].split(":")
    assert (image, tag) == ("neo4j", f"{VERSION}-community")
    image, tag = COMPOSE["services"]["qdrant"]["image"].split(":")
    assert image == "qdrant/qdrant"
    assert tag.removeprefix("v").split(".")[:2] == version("qdrant-client").split(".")[:2]


def test_ports_are_bound_to_loopback(service: dict[str, Any]) -> None:
    assert service["ports"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@pytest.mark.parametrize("name", list(SECRETS))
def test_secrets_are_required_from_the_environment(name: str) -> None:
    key, prefix = SECRETS[name]
    setting = f"COLISTEN_{name.upper()}_{'PASSWORD' if name == 'neo4j' else 'API_KEY'}"
    value = COMPOSE["services"][name]["environment"][key]
    assert value.startswith(f"{prefix}${{{setting}:?")  # `:?` refuses to start without it
    assert f"\n{setting}=\n" in (ROOT / ".env.example").read_text()


def test_telemetry_is_off() -> None:
    environment = COMPOSE["services"]["neo4j"]["environment"] | COMPOSE["services"]["qdrant"]["environment"]
    assert environment["NEO4J_dbms_usage__report_enabled"] == "false"
    assert environment["QDRANT__TELEMETRY_DISABLED"] == "true"


def test_data_is_in_named_volumes_and_memory_bounded(service: dict[str, Any]) -> None:
    assert all(volume.split(":")[0] in COMPOSE["volumes"] for volume in service["volumes"])
    assert service["mem_limit"]
    assert service["healthcheck"]["test"]


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
