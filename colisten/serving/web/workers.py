"""The server's processes: one, or several that accept from the same socket, under uvicorn's supervisor."""

from __future__ import annotations

import gc
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
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from colisten.errors import WorkdirError
from colisten.serving.web.bounds import OPTIONS, bound_process
from colisten.settings import Settings
from colisten.workdir import Workdir, scratch_folder

if TYPE_CHECKING:
    from fastapi import FastAPI

_SECONDS_TO_START = 60
"""For which SIGHUP waits for a new worker to answer before the old one stays in its place."""


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
        supervisor = _Supervisor(config, [listening])
        supervisor.run()
    if supervisor.failed:
        raise WorkdirError("A worker process cannot start: its own output says why.")


def _application(workdir: Workdir, settings: Settings) -> FastAPI:
    """Made in the process that serves it."""
    from colisten.serving.web.app import create_app

    if parent := multiprocessing.parent_process():
        bound_process()
        threading.Thread(target=_end_with, args=[parent], daemon=True).start()
    application = create_app(workdir, settings)
    gc.collect()
    gc.freeze()  # or else looking through what stays anyway holds up all answers by 50 to 100 ms, again and again
    return application


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    """A worker whose supervisor was killed would hold the port for ever."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


class _Supervisor(Multiprocess):
    """Looks whether workers are there. uvicorn's own asks each for a sign of life, and would wait long for that of one
    that dies before it has given it."""

    failed = False

    def keep_subprocess_alive(self) -> None:
        for place, process in enumerate(self.processes):
            if process.process.is_alive() or self.should_exit.is_set():
                continue
            process.kill()  # closes what was open to it
            multiprocess.mark_process_dead(process.pid)  # type: ignore[no-untyped-call]
            if process.exitcode == STARTUP_FAILURE:  # it would fail again
                self.failed = True
                self.should_exit.set()
                return
            self.processes[place] = Process(self.config, self.sockets)
            self.processes[place].start()

    def terminate_all(self) -> None:
        for listening in self.sockets:
            listening.close()  # whoever is not accepted yet is refused by the system, not kept waiting
        super().terminate_all()
