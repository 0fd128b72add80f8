"""Fewer points for a picture of a curve, without losing what the eye looks for."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray


def decimate(steps: ArrayLike, values: ArrayLike, points: int, keep: Iterable[int] = ()) -> NDArray[np.intp]:
    """Indices of about `points` points out of (steps, values): the minimum and maximum of equal stretches (min-max).

    The first point, the last, and every step of `keep` with the one before it stay, so that a jump is drawn where it
    is; those may exceed `points`. `steps` ascend.
    """
    steps, values = np.asarray(steps), np.asarray(values)
    if steps.size <= max(points, 2):
        return np.arange(steps.size)
    exact = np.searchsorted(steps, np.fromiter(keep, dtype=np.int64))
    exact = exact[exact < steps.size]
    kept = np.unique(np.concatenate([[0, steps.size - 1], exact, np.maximum(exact - 1, 0)])).astype(np.intp)
    stretches = max(points - kept.size, 0) // 2
    if not stretches:
        return kept
    edges = np.linspace(0, steps.size, stretches + 1).astype(np.intp)
    extremes = [
        index
        for lower, upper in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        if lower < upper
        for index in (lower + int(np.argmin(values[lower:upper])), lower + int(np.argmax(values[lower:upper])))
    ]
    return np.union1d(kept, np.asarray(extremes, dtype=np.intp))
