"""Small helpers on arrays of local time."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Indices = slice | NDArray[np.intp]


def times(first: float, like: Array) -> Array:
    """first, first + 1, ..., as many and in the same precision as `like`."""
    return (first + np.arange(like.size, dtype=np.float64)).astype(like.dtype, copy=False)


def ascending(u: Array) -> bool:
    """Whether the times never go down."""
    return bool(np.all(u[:-1] <= u[1:]))


def groups(u: Array, starts: Array) -> Iterator[tuple[int, Indices]]:
    """(i, where) for each piece i of the time axis that has times in it.

    Piece i is starts[i] <= u < starts[i + 1], and the first piece takes what is before it.
    """
    if not u.size:
        return
    if ascending(u):
        first, last = np.searchsorted(starts, u[[0, -1]], side="right")
        inner = starts[first:last]
        cuts = [0, *np.searchsorted(u, inner, side="left").tolist(), u.size]
        for offset, (lower, upper) in enumerate(pairwise(cuts)):
            if lower < upper:
                yield max(int(first) + offset - 1, 0), slice(lower, upper)
        return
    index = np.maximum(np.searchsorted(starts, u, side="right") - 1, 0)
    order = np.argsort(index, kind="stable")
    sorted_index = index[order]
    cuts = [0, *(np.flatnonzero(sorted_index[1:] != sorted_index[:-1]) + 1).tolist(), u.size]
    for lower, upper in pairwise(cuts):
        yield int(sorted_index[lower]), order[lower:upper]
