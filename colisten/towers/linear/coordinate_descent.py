"""Non-negative ridge regression by cyclic coordinate descent: one small dense problem."""

from __future__ import annotations

from colisten.arrays import Floats, Floats64
from colisten.compiled import compiled


@compiled
def non_negative_ridge(
    gram: Floats | Floats64, residual: Floats64, weights: Floats64, penalty: float, tolerance: float, sweeps: int
) -> None:
    """Minimise ½wᵀ(G + λI)w − rᵀw over w ≥ 0, in place, one weight after the other (Friedman et al. 2010).

    With r − μ for r it is the elastic net with the L1 term μ‖w‖₁. A weight whose row of G and entry of r are zero stays
    zero.

    Args:
        gram: G = XᵀX, [k, k], symmetric.
        residual: float64 [k]: r − Gw of the weights to begin with (r itself where they are zero); at the end, of those
            found.
        weights: float64 [k]: where to begin, none negative; at the end, the solution.
        penalty: λ > 0.
        tolerance: the end is a sweep in which no weight moves by as much.
        sweeps: at most so many sweeps over all weights.
    """
    count = len(weights)
    for _ in range(sweeps):
        moved = 0.0
        for a in range(count):
            wanted = max(weights[a] + (residual[a] - penalty * weights[a]) / (gram[a, a] + penalty), 0.0)
            step = wanted - weights[a]
            if step != 0.0:
                for b in range(count):
                    residual[b] -= gram[a, b] * step
                weights[a] = wanted
                moved = max(moved, abs(step))
        if moved < tolerance:
            break
