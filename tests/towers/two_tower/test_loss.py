"""logQ: its sign, and that it makes the sampled softmax the full one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from colisten.towers.two_tower.model import in_batch_loss

NOTHING_BLOCKED = torch.zeros(2, 2, dtype=torch.bool)


def test_a_frequent_negative_counts_less_than_a_rare_one() -> None:
    logits = torch.zeros(2, 2)
    frequent, rare = torch.tensor([-3.0, -1.0]), torch.tensor([-3.0, -5.0])
    assert in_batch_loss(logits, frequent, NOTHING_BLOCKED)[()] == in_batch_loss(logits, frequent, NOTHING_BLOCKED)

    def row(log_q: torch.Tensor) -> torch.Tensor:
        """Loss of the first row alone."""
        return torch.log_softmax(logits - log_q, dim=1)[0, 0]

    assert row(frequent) > row(rare)
    one_row = torch.tensor([[False, False], [True, True]])
    assert in_batch_loss(logits, frequent, one_row) < in_batch_loss(logits, rare, one_row)


@pytest.mark.slow
def test_the_corrected_loss_has_the_gradient_of_the_full_softmax() -> None:
    """Negatives drawn with popularity: only with logQ does the mean gradient point where the full softmax's does."""
    rng = np.random.default_rng(0)
    popularity = np.array([0.5, 0.3, 0.1, 0.06, 0.04])
    scores = torch.tensor([0.2, -0.5, 1.0, 0.3, -1.0], requires_grad=True)
    full = torch.autograd.grad(-torch.log_softmax(scores, 0)[2], scores)[0]

    def sampled(logq: bool) -> torch.Tensor:
        total = torch.zeros(5)
        for _ in range(300):
            items = torch.from_numpy(np.concatenate([[2], rng.choice(5, 255, p=popularity)]))
            logits = scores[items].expand(256, 256)
            log_q = torch.from_numpy(np.log(popularity))[items] if logq else None
            blocked = torch.ones(256, 256, dtype=torch.bool)
            blocked[0] = items == 2
            total += torch.autograd.grad(in_batch_loss(logits, log_q, blocked) * 256, scores)[0].float()
        return total / 300

    assert torch.allclose(sampled(logq=True), full, atol=0.02)
    assert not torch.allclose(sampled(logq=False), full, atol=0.1)


@pytest.mark.parametrize("corrected", [False, True])
def test_the_losses_of_parts_of_the_rows_add_up(corrected: bool) -> None:
    drawn = torch.Generator().manual_seed(1)
    logits, log_q = torch.randn(5, 5, generator=drawn), torch.randn(5, generator=drawn) if corrected else None
    blocked = torch.rand(5, 5, generator=drawn) < 0.3
    parts = [in_batch_loss(logits[a:b], log_q, blocked[a:b], a) for a, b in ((0, 2), (2, 2), (2, 5))]
    torch.testing.assert_close(torch.stack(parts).sum(), in_batch_loss(logits, log_q, blocked))


def test_blocked_items_are_no_negatives() -> None:
    logits = torch.tensor([[0.0, 9.0], [0.0, 0.0]])
    blocked = torch.tensor([[True, True], [False, True]])
    assert in_batch_loss(logits, None, blocked) < in_batch_loss(logits, None, NOTHING_BLOCKED)
