"""Max-margin and sampled-softmax loss of [r] positive and [r, c] negative scores, false negatives masked."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus


def margin_loss(positive: Tensor, negatives: Tensor, false_negatives: Tensor, margin: float) -> Tensor:
    """[r] mean over a row's negatives of max(0, negative − positive + margin), paper eq. 4; 0 without negatives."""
    short = (negatives - positive[:, None] + margin).relu().masked_fill(false_negatives, 0.0)
    return short.sum(dim=1) / (~false_negatives).sum(dim=1).clamp(min=1)


def softmax_loss(
    positive: Tensor, negatives: Tensor, false_negatives: Tensor, log_chance: Tensor, temperature: float
) -> Tensor:
    """[r] −log softmax of the positive against the row's negatives.

    A negative that is drawn often stands for few: subtracting the log of its chance (logQ; Yi et al. 2019, Bengio &
    Senécal 2008) makes the sum over those drawn an unbiased estimate of the sum over all items. The positive is there
    by certainty, so it is not corrected.
    """
    scores = torch.add(-log_chance, negatives, alpha=1 / temperature)
    with torch.no_grad():  # the share of what is masked in the sum, and so its gradient, is zero already
        scores.masked_fill_(false_negatives, torch.finfo(scores.dtype).min)
    return softplus(scores.logsumexp(dim=1) - positive / temperature)
