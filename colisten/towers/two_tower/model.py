"""The two towers (paper 4.3.1) and their loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize


class Tower(nn.Module):
    """Fully connected layers with ReLU between them; the output has unit length."""

    def __init__(self, inputs: int, hidden: Sequence[int], outputs: int, dropout: float) -> None:
        super().__init__()
        widths = [inputs, *hidden, outputs]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = self.dropout(layer(x).relu())
        return normalize(self.layers[-1](x).float(), dim=1)


class TwoTowers(nn.Module):
    """User and item tower; a score is the cosine of their vectors."""

    def __init__(self, user_width: int, item_width: int, hidden: Sequence[int], dim: int, dropout: float) -> None:
        super().__init__()
        self.user = Tower(user_width, hidden, dim, dropout)
        self.item = Tower(item_width, hidden, dim, dropout)


def in_batch_loss(logits: Tensor, log_q: Tensor | None, blocked: Tensor, first: int = 0) -> Tensor:
    """Softmax cross-entropy of each row's own item against the other items of the batch, divided by their number.

    With `log_q` each of the n negatives weighs 1 / (n q): then the sum over the batch estimates the sum over all items,
    and the loss the full softmax's. An item drawn often would otherwise be a negative too often (Yi et al., RecSys
    2019). The label is there whatever the draw, so it is not corrected.

    Args:
        logits: [rows, pairs], of all pairs of a batch or of some that follow each other; row r is a user, whose label
            is column first + r.
        log_q: [pairs] logarithm of the chance that a draw is this column's item.
        blocked: [rows, pairs] no negatives: the label itself drawn again, or another item that the user has streamed.
        first: the label of the first row.
    """
    rows, pairs = logits.shape
    labels = torch.arange(first, first + rows, device=logits.device)
    own = labels[:, None] == torch.arange(pairs, device=logits.device)
    if log_q is not None:
        weight = log_q + math.log(max(pairs - 1, 1))
        logits = logits - weight.expand_as(logits).masked_fill(own, 0)
    logits = logits.masked_fill(blocked & ~own, -torch.inf)
    return cross_entropy(logits, labels, reduction="sum") / pairs
