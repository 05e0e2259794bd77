"""The order of the rooms: no import upwards, no import circle, one name for one thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

import colisten

PACKAGE = Path(colisten.__file__).parent
ROOMS = ("listening", "text", "graph_store", "gnn", "towers", "serving", "evaluation", "pipeline")
"""Each may import those before it; `api` and `cli` may import all of them, but not one another."""
TOWERS = ("features", "demand", "two_tower", "linear", "selection")
"""The rooms within `towers`; its own files put them together and are imported by none of them but `selection`."""
FOUNDATION = {
    "arrays", "compiled", "cores", "distributed", "errors", "extras", "figures", "freed_memory", "full_disk",
    "grouping", "layers", "letters", "on_disk", "panics", "prefetch", "progress", "ragged", "recipes", "relations",
    "settings", "spark", "sqlite_files", "tracking", "workdir",
}  # fmt: skip
"""Files beside the rooms that import no room."""


def _modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


def _imports(path: Path, *, within_functions: bool) -> Iterator[str]:
    """Modules of ours that a file imports; `TYPE_CHECKING` blocks count as much as any other."""
    tree = ast.parse(path.read_text())
    inner = {id(node) for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) for node in ast.walk(one)}
    for node in ast.walk(tree):
        if id(node) in inner and not within_functions:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "colisten":
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)


GRAPH = nx.DiGraph(
    (name, imported)
    for name, path in MODULES.items()
    if name != "colisten"
    for imported in _imports(path, within_functions=True)
)


def _room(module: str) -> str:
    return module.split(".")[1]


def test_every_file_has_its_place() -> None:
    assert {_room(name) for name in MODULES if name != "colisten"} == {*ROOMS, *FOUNDATION, "api", "cli"}
    assert {name.split(".")[2] for name in MODULES if name.startswith("colisten.towers.") and name.count(".") > 2} == {
        *TOWERS
    }


def test_rooms_import_only_those_before_them() -> None:
    order = dict.fromkeys(FOUNDATION, 0) | {room: place for place, room in enumerate(ROOMS, 1)}
    order |= {"api": len(ROOMS) + 1, "cli": len(ROOMS) + 1}
    upwards = [edge for edge in GRAPH.edges if order[_room(edge[0])] < order[_room(edge[1])]]
    assert upwards == []


def test_api_and_cli_know_nothing_of_each_other() -> None:
    assert [edge for edge in GRAPH.edges if {_room(edge[0]), _room(edge[1])} == {"api", "cli"}] == []


@pytest.mark.parametrize("room", TOWERS)
def test_the_rooms_of_the_towers_import_only_those_before_them(room: str) -> None:
    allowed = {*TOWERS[: TOWERS.index(room) + 1]}
    if room == "linear":
        allowed -= {"two_tower"}
    targets = {target for source, target in GRAPH.edges if source.startswith(f"colisten.towers.{room}.")}
    assert {name.split(".")[2] for name in targets if _room(name) == "towers"} & {*TOWERS} <= allowed


def test_no_import_goes_in_a_circle() -> None:
    assert list(nx.simple_cycles(GRAPH)) == []


def test_no_two_classes_share_a_name() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(module)
    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}


@pytest.mark.parametrize("path", [path for path in MODULES.values() if "pl." in path.read_text()], ids=lambda p: p.stem)
def test_no_file_name_is_taken_for_a_pattern(path: Path) -> None:
    """Polars takes `[`, `*` and `?` in a path for a pattern, unless it is told."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    for call in calls:
        if ast.unparse(call.func) in {f"pl.{way}_{kind}" for way in ("read", "scan") for kind in ("parquet", "csv")}:
            of_bytes = ast.unparse(call.args[0]).startswith("io.BytesIO(")
            assert of_bytes or any(word.arg == "glob" for word in call.keywords), ast.unparse(call)


def test_nothing_is_told_by_a_protocol_at_run_time() -> None:
    """From Python 3.12 on `isinstance` of a protocol does not see what `__getattr__` gives, as a module's layers."""
    assert [name for name, path in MODULES.items() if "runtime_checkable" in path.read_text()] == []
