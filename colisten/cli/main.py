"""The `colisten` command: a thin group that imports a command's module only when it is called."""

from __future__ import annotations

import gc
import importlib
import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from colisten.errors import ColistenError, WorkdirError
from colisten.extras import told_when_missing
from colisten.full_disk import told_when_full
from colisten.letters import decoded, escape_unknown_letters, printable
from colisten.panics import is_failure

_COMMANDS = {
    "demo": "The whole path on data it makes: graph, training, index, recommendations.",
    "run": "The whole path on your data; stages whose inputs did not change are skipped.",
    "recommend": "Recommend items to a user, to many users, or to an anonymous user by likes.",
    "similar": "Items that are listened to like this one.",
    "search": "Items whose texts mean what is asked for.",
    "experiment": "Compare recommendations in front of real users: groups, exposures, effect.",
    "evaluate": "Measure recommendations on held-out listening, beside the baselines.",
    "serve": "A JSON API and a page, over HTTP.",
    "tune": "Search wider for settings that suit your data.",
    "events": "Take in what users did, known to the next answer and to the next run.",
    "data": "Check, import, synthesise and split listening data.",
    "graph": "Build, inspect and query the co-listening graph.",
    "db": "Start, stop and look at the managed local Neo4j.",
    "gnn": "Train the graph network and embed every item.",
    "towers": "Train the two towers.",
    "index": "Publish item vectors to Qdrant, list them, roll back.",
    "rules": "What may be shown to whom, and what is raised: lists and boosts, from the next answer on.",
    "items": "Withdraw items from all answers at once, and bring them back.",
    "users": "Export user vectors for other models.",
    "config": "Every setting, its value, where that comes from and what it means.",
    "doctor": "Check machine, settings, Neo4j, Qdrant and data, and say what to do.",
    "forget": "Remove a person from everything that the working folder holds.",
}

_ANSWERING = {"recommend", "similar", "search", "serve"}
_QUICK = {"OPENBLAS_NUM_THREADS": "1", "PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""For commands whose few products are done before NumPy's threads have started, or plugins been looked for."""

_SLEEPING = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Read as torch is imported: its threads sleep while they wait for each other (see `cores.torch_threads`)."""

_NEW_OBJECTS = 10_000
"""From which garbage is looked for: importing torch makes a million objects that stay, and takes a tenth longer with
Python's 700."""

_SIGPIPE = 128 + 13
"""The exit code of a program whose reader has gone, as shells know it."""


@contextmanager
def _ends_with_its_reader() -> Iterator[None]:
    """`| head` closes the pipe when it has enough: no error, and nothing more to say.

    Rich turns the error into an end of its own, and click would too.
    """
    try:
        yield
    except (BrokenPipeError, SystemExit) as end:
        if isinstance(end, SystemExit) and not isinstance(end.__context__, BrokenPipeError):
            raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())  # for what is left in buffers
        sys.exit(_SIGPIPE)


class _LazyGroup(click.Group):
    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _ends_with_its_reader():  # --help and --version are printed here
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _ends_with_its_reader():
            try:
                with told_when_missing():
                    result = super().invoke(ctx)
            except BaseException as error:
                if not is_failure(error):
                    raise
                if isinstance(error, ColistenError | click.ClickException | click.exceptions.Exit | BrokenPipeError):
                    raise
                from colisten.cli.options import say_what_is_damaged

                say_what_is_damaged(ctx, error)
                raise
            sys.stdout.flush()
            return result

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name in _ANSWERING:
            os.environ |= _QUICK | os.environ
        if "torch" not in sys.modules:
            os.environ |= _SLEEPING | os.environ
        command = getattr(importlib.import_module(f"colisten.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="colisten")
def cli() -> None:
    """Recommend audiobooks, podcasts and any further item type from who listens to what.

    \b
    colisten demo
    colisten run --data DIR --workdir W
    colisten recommend USER --workdir W -k 10 --type audiobook --json

    Data goes to stdout, talk to stderr. Exit codes: 0 done, 2 wrong usage or setting, 3 data, 4 Neo4j,
    5 Qdrant, 6 working folder, 7 disk full, 1 anything else.
    """


def main() -> None:
    """Run the command; what goes wrong on purpose is one sentence on stderr and an exit code."""
    _read_names_as_utf8()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # what libraries tell each other's authors is no talk for users
    _open_what_is_closed()
    escape_unknown_letters()
    gc.set_threshold(_NEW_OBJECTS)
    os.environ["PYTHONSAFEPATH"] = "1"  # no child takes what lies in the current folder for a module
    with _ends_with_its_reader():
        _run()


def _read_names_as_utf8() -> None:
    """Begin again in Python's UTF-8 mode, where a locale would have file names in another encoding.

    What is printed keeps the encoding of the terminal.
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.environ.setdefault("PYTHONIOENCODING", sys.stdout.encoding if sys.stdout else "utf-8")
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # this very command


def _open_what_is_closed() -> None:
    """Streams that the caller has closed lead nowhere: the next file opened would have their numbers otherwise."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # has the lowest number that is free, which is this one
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _run() -> None:
    try:
        words = [decoded(word, "The argument") for word in sys.argv[1:]]
        with told_when_full():
            sys.exit(cli.main(words, standalone_mode=False) or 0)
    except click.ClickException as error:
        _show(error)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _tell("Stopped; run the same command again to go on.")
        sys.exit(130)
    except ColistenError as error:
        _end_with(error)
    except PermissionError as error:
        if not error.filename:
            raise
        _end_with(WorkdirError(f"This user may not use {error.filename} so: run as its owner, or name another folder."))


def _show(error: click.ClickException) -> None:
    shown = io.StringIO()
    error.show(shown)
    for line in shown.getvalue().splitlines():
        _tell(line)


def _end_with(error: ColistenError) -> None:
    _tell(f"Error: {error}")
    sys.exit(error.exit_code)


def _tell(line: str) -> None:
    """Print a line on stderr; where it cannot be written, the exit code has to do."""
    try:
        click.echo(printable(line), err=True)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
