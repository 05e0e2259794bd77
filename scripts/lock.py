"""Pin the newest version of every package in pyproject.toml, and Neo4j's jars with checksums (`make lock`).

uv.lock itself is not kept, since it names the hosts of one particular index; the versions are what matters.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path("pyproject.toml")
PINS = re.compile(r"constraint-dependencies = \[\n.*?\]\n", re.DOTALL)


def main() -> None:
    """Resolve without pins, then write what was found as pins."""
    text = PINS.sub("", PROJECT.read_text()).rstrip() + "\n"
    PROJECT.write_text(text)
    subprocess.run([os.environ["UV"], "lock", "--upgrade"], check=True)  # uv run names itself there
    packages = tomllib.loads(Path("uv.lock").read_text())["package"]
    own = tomllib.loads(text)["project"]["name"]
    pins = sorted(f"{package['name']}=={package['version']}" for package in packages if package["name"] != own)
    lines = "".join(f'    "{pin}",\n' for pin in pins)
    PROJECT.write_text(f"{text}constraint-dependencies = [\n{lines}]\n")
    print(f"{len(pins)} versions pinned in {PROJECT}")
    subprocess.run([sys.executable, "-m", "colisten.graph_store.server.lock"], check=True)


if __name__ == "__main__":
    main()
