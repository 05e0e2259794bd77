"""Distributed data-parallel training: helper processes step together with this one, on a GPU or share of cores each.

This process is rank 0: it reports, keeps files and gives the result.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from colisten.errors import ColistenError

HOST = "127.0.0.1"
PATIENCE = timedelta(minutes=10)
"""For a process that is slower than the others: a first epoch reads the graph."""
_SECONDS_TO_END = 3


@dataclass(frozen=True)
class Together:
    """One of several processes on this machine, and where they meet."""

    rank: int
    world_size: int
    port: int

    @property
    def address(self) -> str:
        """The `init_method` of torch's process group."""
        return f"tcp://{HOST}:{self.port}"


@contextmanager
def helpers(world_size: int, work: Callable[..., None], *given: Any) -> Generator[Together, None, None]:
    """Run `work(Together of its rank, *given)` in `world_size` - 1 processes beside the block.

    Raises:
        ColistenError: one ended before its time.
    """
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    context = torch.multiprocessing.get_context("spawn")
    started = []
    for rank in range(1, world_size):
        ours, theirs = context.Pipe(duplex=False)
        args = (work, theirs, Together(rank, world_size, port), given)
        process = context.Process(target=_help, args=args, daemon=True)
        process.start()
        theirs.close()
        started.append((process, ours))
    try:
        for process, ready in started:
            wait([ready, process.sentinel])
            if not ready.poll() or ready.recv() != "ready":
                raise _ended()
        try:
            yield Together(0, world_size, port)
        except ColistenError:
            raise
        except Exception as error:
            # What a process says whose partner has gone depends on the back end; that one has gone does not.
            if wait([process.sentinel for process, _ in started], _SECONDS_TO_END):
                raise _ended() from error
            raise
        for process, _ in started:
            process.join(PATIENCE.total_seconds())
    finally:
        for process, ready in started:
            process.terminate()
            process.join()
            ready.close()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _ended() -> ColistenError:
    return ColistenError(
        "One of the training processes ended before its time: see what it printed, and memory; run again."
    )


def _help(work: Callable[..., None], ready: Connection, together: Together, given: tuple[Any, ...]) -> None:
    ready.send("ready")
    ready.close()
    work(together, *given)
