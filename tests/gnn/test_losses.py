import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from colisten.gnn.losses import margin_loss, softmax_loss


def _case(seed: int, rows: int, negatives: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    positive, scores = rng.uniform(-1, 1, rows), rng.uniform(-1, 1, (rows, negatives))
    false_negatives, log_chance = rng.random((rows, negatives)) < 0.3, np.log(rng.uniform(0.01, 1, negatives))
    return (
        torch.from_numpy(positive), torch.from_numpy(scores),
        torch.from_numpy(false_negatives), torch.from_numpy(log_chance),
    )  # fmt: skip


@given(seed=st.integers(0, 1000), rows=st.integers(1, 5), negatives=st.integers(1, 7))
def test_margin_loss_is_equation_4(seed: int, rows: int, negatives: int) -> None:
    positive, scores, false_negatives, _ = _case(seed, rows, negatives)
    expected: list[float] = []
    for row in range(rows):
        terms = [
            max(0.0, float(scores[row, n] - positive[row]) + 0.3)
            for n in range(negatives)
            if not false_negatives[row, n]
        ]
        expected.append(float(np.mean(terms)) if terms else 0.0)
    np.testing.assert_allclose(margin_loss(positive, scores, false_negatives, 0.3), expected, atol=1e-12)


@given(seed=st.integers(0, 1000), rows=st.integers(1, 5), negatives=st.integers(1, 7))
def test_softmax_loss_is_the_corrected_cross_entropy(seed: int, rows: int, negatives: int) -> None:
    positive, scores, false_negatives, log_chance = _case(seed, rows, negatives)
    expected = []
    for row in range(rows):
        own = np.exp(float(positive[row]) / 0.1)
        rest = [
            np.exp(float(scores[row, n]) / 0.1) / np.exp(float(log_chance[n]))
            for n in range(negatives)
            if not false_negatives[row, n]
        ]
        expected.append(-np.log(own / (own + sum(rest))))
    np.testing.assert_allclose(
        softmax_loss(positive, scores, false_negatives, log_chance, 0.1), expected, rtol=1e-9, atol=1e-12
    )


def test_a_row_whose_others_are_all_joined_teaches_nothing() -> None:
    positive, scores, _, log_chance = _case(0, 2, 3)
    nobody = torch.ones(2, 3, dtype=torch.bool)
    scores.requires_grad_()
    loss = margin_loss(positive, scores, nobody, 0.3) + softmax_loss(positive, scores, nobody, log_chance, 0.1)
    torch.autograd.backward(loss.sum())
    assert loss.detach().abs().max() < 1e-12
    assert scores.grad is not None
    assert not scores.grad.any()
