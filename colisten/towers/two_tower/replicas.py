"""Data-parallel replicas of the two towers: all draw the same batch, and each works on its rows of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.functional import pad
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from colisten.distributed import PATIENCE, Together

_BETWEEN_COMMANDS = timedelta(days=365)
"""Rank 0 does much between epochs that the others wait for."""


@dataclass(frozen=True)
class Replicas:
    """The processes that train together, as one of them sees them; by default it is alone.

    Their step is the step of a single process: rows have all items of the batch as negatives, and gradients are those
    of the loss of all rows.
    """

    rank: int = 0
    count: int = 1
    _commands: Any = None
    """A process group; torch gives it as one of two types."""

    @classmethod
    def join(cls, together: Together, device: torch.device) -> Replicas:
        """Meet the others; a device `cuda` is the GPU of this rank from then on."""
        if device.type == "cuda":
            torch.cuda.set_device(together.rank)
        backend = "nccl" if device.type == "cuda" else "gloo"
        distributed.init_process_group(
            backend, together.address, PATIENCE, rank=together.rank, world_size=together.world_size
        )
        commands = distributed.new_group(backend="gloo", timeout=_BETWEEN_COMMANDS)
        return cls(together.rank, together.world_size, commands)

    def tell(self, command: object) -> None:
        """Send the others a command, if this is rank 0."""
        if self.count > 1 and self.rank == 0:
            distributed.broadcast_object_list([command], group=self._commands)

    def told(self) -> object:
        """Wait for the next command of rank 0."""
        commands: list[object] = [None]
        distributed.broadcast_object_list(commands, group=self._commands)
        return commands[0]

    def rows(self, pairs: int) -> slice:
        """This process's share of a batch of so many pairs; shares differ by one at most."""
        return slice(self.rank * pairs // self.count, (self.rank + 1) * pairs // self.count)

    def synchronise(self, model: nn.Module) -> None:
        """Give the model the weights that it has in rank 0."""
        if self.count > 1:
            for weights in model.state_dict().values():
                distributed.broadcast(weights, 0)

    def gather(self, vectors: Tensor, pairs: int) -> Tensor:
        """[pairs, dim] from each process's own rows of them; gradients find their way back to the process."""
        if self.count == 1:
            return vectors
        mine = self.rows(pairs)
        gathered: Tensor = _Sum.apply(pad(vectors, (0, 0, mine.start, pairs - mine.stop)))
        return gathered

    def add_up(self, loss: Tensor, model: nn.Module) -> float:
        """Sum the gradients over all processes, in place; gives the sum of their losses."""
        own = loss.detach()
        if self.count > 1:
            added = [weights.grad for weights in model.parameters() if weights.grad is not None] + [own]
            whole = parameters_to_vector(added)
            distributed.all_reduce(whole)
            vector_to_parameters(whole, added)
        return float(own)


ALONE = Replicas()
"""A single process."""


class _Sum(torch.autograd.Function):
    """The sum over all processes, as is its gradient."""

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        whole = part.clone()
        distributed.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        whole = gradient.clone()
        distributed.all_reduce(whole)
        return whole
