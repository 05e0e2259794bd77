"""`colisten serve`: the JSON API and the page."""

from __future__ import annotations

import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from colisten.cli.options import opened, set_option, workdir_option
from colisten.cli.output import say
from colisten.errors import SettingsError

if TYPE_CHECKING:
    from colisten.settings import ServeSettings


@click.command()
@workdir_option
@click.option("--workers", type=click.IntRange(1), help="Processes that answer; by default serve.workers (1).")
@set_option
def serve(workdir: Path, workers: int | None, overrides: tuple[str, ...]) -> None:
    """Answer over HTTP: recommendations, reasons, likeness, search, and a page to try them on.

    Only this machine can ask, unless serve.host says otherwise, which takes a key (COLISTEN_SERVE_API_KEY). What is
    published meanwhile is used at once. Paths of shared listeners are there if Neo4j runs. Ctrl-C ends it.

    \b
    colisten serve --workdir W --set serve.port=8000
    curl 'http://127.0.0.1:8000/recommend?user=u17&k=5&why=true'
    """
    chosen = () if workers is None else (f"serve.workers={workers}",)
    folder, settings = opened(workdir, (*overrides, *chosen))
    from colisten.serving.recommending import Recommender

    Recommender.open(folder, settings).close()  # fail before anything listens
    if settings.serve.traces != "none":
        from colisten.serving.web.request_traces import require_traces

        require_traces()
    listening = _listen(settings.serve)
    from colisten.serving.web import workers as processes

    host, port = listening.getsockname()[:2]
    say(f"Answering at http://{host}:{port} until Ctrl-C.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn ends in good order, then passes the signal on
    with suppress(KeyboardInterrupt):
        processes.serve(folder, settings, listening)
    say("Stopped.")


def _listen(options: ServeSettings) -> socket.socket:
    from colisten.serving.web.guards import is_loopback

    if not is_loopback(options.host) and options.api_key is None:
        raise SettingsError(
            f"Others can reach {options.host}: set a key (COLISTEN_SERVE_API_KEY), or serve.host=127.0.0.1."
        )
    try:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        return socket.create_server((options.host, options.port), family=family)
    except OSError as error:
        raise SettingsError(
            f"Nothing can listen at {options.host}, port {options.port} ({error.strerror}): set serve.port."
        ) from error
