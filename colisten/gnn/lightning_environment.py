"""What Lightning is told of processes that exist already: its own launchers would run the whole command again."""

from __future__ import annotations

from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy

from colisten.distributed import HOST, PATIENCE, Together


class ProcessEnvironment(LightningEnvironment):
    """What Lightning has to know of one of several processes on this machine."""

    def __init__(self, together: Together) -> None:
        super().__init__()
        self._together = together

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return HOST

    @property
    def main_port(self) -> int:
        return self._together.port

    def world_size(self) -> int:
        return self._together.world_size

    def global_rank(self) -> int:
        return self._together.rank

    def local_rank(self) -> int:
        return self._together.rank

    def node_rank(self) -> int:
        return 0

    def set_world_size(self, size: int) -> None:
        """It is known."""

    def set_global_rank(self, rank: int) -> None:
        """It is known."""


def strategy(together: Together) -> DDPStrategy:
    """Lightning's data-parallel strategy in these processes."""
    return DDPStrategy(cluster_environment=ProcessEnvironment(together), timeout=PATIENCE)
