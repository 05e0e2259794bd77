"""Distributed data-parallel training: helper processes step together with this one, on a GPU or share of cores each.

This process is rank 0: it reports, keeps checkpoints and gives the result. Lightning is told of processes that exist
already, for its own launcher would run the command again.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy

from colisten.errors import ColistenError, GraphError

_HOST = "127.0.0.1"
_PATIENCE = timedelta(minutes=10)
"""For a process that is slower than the others: a first epoch reads the graph."""
_SECONDS_TO_END = 3


class Together(LightningEnvironment):
    """What Lightning has to know of one of several processes on this machine."""

    def __init__(self, rank: int, world_size: int, port: int) -> None:
        super().__init__()
        self._rank, self._size = rank, world_size
        self._main_port = port

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return _HOST

    @property
    def main_port(self) -> int:
        return self._main_port

    def world_size(self) -> int:
        return self._size

    def global_rank(self) -> int:
        return self._rank

    def local_rank(self) -> int:
        return self._rank

    def node_rank(self) -> int:
        return 0

    def set_world_size(self, size: int) -> None:
        """It is known."""

    def set_global_rank(self, rank: int) -> None:
        """It is known."""

    def strategy(self) -> DDPStrategy:
        """Lightning's data-parallel strategy in these processes."""
        return DDPStrategy(cluster_environment=self, timeout=_PATIENCE)


@contextmanager
def helpers(world_size: int, work: Callable[..., None], *given: Any) -> Generator[Together, None, None]:
    """Run `work(Together of its rank, *given)` in `world_size` - 1 processes beside the block.

    Raises:
        GraphError: one ended before its time.
    """
    with socket.socket() as free:
        free.bind((_HOST, 0))
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
            process.join(_PATIENCE.total_seconds())
    finally:
        for process, ready in started:
            process.terminate()
            process.join()
            ready.close()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _ended() -> GraphError:
    return GraphError(
        "One of the training processes ended before its time: see what it printed, and memory; run again."
    )


def _help(work: Callable[..., None], ready: Connection, environment: Together, given: tuple[Any, ...]) -> None:
    ready.send("ready")
    ready.close()
    work(environment, *given)
