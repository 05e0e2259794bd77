"""The server's processes: one, or several that accept from the same socket, under uvicorn's supervisor."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
from functools import partial
from typing import TYPE_CHECKING

import uvicorn
from prometheus_client import multiprocess
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from colisten.errors import WorkdirError
from colisten.serving.web.bounds import OPTIONS, bound_process
from colisten.settings import Settings
from colisten.workdir import Workdir, scratch_folder

if TYPE_CHECKING:
    from fastapi import FastAPI

_SECONDS_TO_START = 60
"""For which a worker that does not answer its supervisor is let be: it imports, or loads the index."""


def serve(workdir: Workdir, settings: Settings, listening: socket.socket) -> None:
    """Answer on a socket that listens, until SIGTERM or SIGINT; what is under way is answered first.

    With several workers, one that dies is started anew; SIGHUP replaces all of them, one by one.

    Raises:
        KeyboardInterrupt: the one process was stopped.
        WorkdirError: a worker cannot start.
    """
    application = partial(_application, workdir, settings)
    config = uvicorn.Config(application, factory=True, workers=settings.serve.workers, **OPTIONS)
    bound_process()  # after uvicorn has set up its log
    if settings.serve.workers == 1:
        uvicorn.Server(config).run(sockets=[listening])
        return
    config.timeout_worker_healthcheck = _SECONDS_TO_START
    with scratch_folder() as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # where the workers count, for whichever is asked
        _Supervisor(config, [listening]).run()


def _application(workdir: Workdir, settings: Settings) -> FastAPI:
    """Made in the process that serves it."""
    from colisten.serving.web.app import create_app

    if parent := multiprocessing.parent_process():
        bound_process()
        threading.Thread(target=_end_with, args=[parent], daemon=True).start()
    return create_app(workdir, settings)


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    """A worker whose supervisor was killed would hold the port for ever."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


class _Supervisor(Multiprocess):
    def keep_subprocess_alive(self) -> None:
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {process.pid for process in self.processes}:
            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
        if any(process.exitcode == STARTUP_FAILURE for process in self.processes):
            raise WorkdirError("A worker process cannot start: its own output says why.")

    def terminate_all(self) -> None:
        for listening in self.sockets:
            listening.close()  # whoever is not accepted yet is refused by the system, not kept waiting
        super().terminate_all()
