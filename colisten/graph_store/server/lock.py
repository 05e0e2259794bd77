"""The recipe of `jars.lock`: `python -m colisten.graph_store.server.lock` (run by `make lock`).

Resolves Neo4j's coordinates with jgo, downloads every jar once and notes what it weighs and hashes to.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from jgo.maven import MavenContext

from colisten.graph_store.server.download import fetch, repositories
from colisten.graph_store.server.jars import LOCK, ROOTS, Jar
from colisten.progress import Progress
from colisten.workdir import replacing_file


def resolve(folder: Path) -> list[Jar]:
    """The jars that a run of `ROOTS` needs, roots first, without checksums; `folder` keeps what resolving reads."""
    context = MavenContext(repo_cache=folder, remote_repos=repositories())
    root, rest = context.resolver.get_dependency_list([context.create_dependency(root) for root in ROOTS])
    artifacts = [node.dep.artifact for node in root.children + rest if node.dep.scope in (None, "compile", "runtime")]
    return [Jar(found.groupId, found.artifactId, found.version, found.classifier) for found in artifacts]


def weigh(jars: list[Jar], folder: Path, progress: Progress) -> list[Jar]:
    """The same jars with checksum and size, downloaded into `folder` for it."""
    weighed: dict[Jar, Jar] = {}
    with progress.task("weighing jars", total=len(jars)) as task:

        def note(jar: Jar, file: Path) -> None:
            content = file.read_bytes()
            weighed[jar] = replace(jar, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
            task.advance()

        fetch(jars, folder, note)
    return [weighed[jar] for jar in jars]


def main() -> None:
    """Write the lock anew."""
    with TemporaryDirectory() as name, Progress() as progress:
        progress.say(f"Resolving {', '.join(ROOTS)} …")
        jars = weigh(resolve(Path(name) / "repository"), Path(name) / "jars", progress)
    with replacing_file(LOCK) as draft:
        draft.write_text("".join(f"{jar.line}\n" for jar in jars))
    LOCK.chmod(0o644)
    print(f"{len(jars)} jars, {sum(jar.size for jar in jars) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
