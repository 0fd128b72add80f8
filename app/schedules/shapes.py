"""How a ramp gets from its start to its end: g(p) with g(0) = 0 and g(1) = 1, elementwise.

Everything here is elementwise NumPy: the bits of one element never depend on its neighbours or on where the array
starts. `tests/app/schedules/test_shapes.py` holds that for the functions in use.
"""

from collections.abc import Callable

import numpy as np

from app.schedules.arrays import Array


def linear(p: Array, power: np.floating) -> Array:
    """p"""
    return p


def cosine(p: Array, power: np.floating) -> Array:
    """(1 - cos(pi*p))/2"""
    g = np.cos(p.dtype.type(np.pi) * p)
    np.subtract(p.dtype.type(1), g, out=g)
    g *= p.dtype.type(0.5)
    return g


def polynomial(p: Array, power: np.floating) -> Array:
    """1 - (1-p)^power, held beyond 1"""
    rest = np.maximum(p.dtype.type(1) - p, p.dtype.type(0))
    np.power(rest, power, out=rest)
    return np.subtract(p.dtype.type(1), rest, out=rest)


def rising(p: Array, power: np.floating) -> Array:
    """p^power, held beyond 1"""
    return np.power(np.minimum(p, p.dtype.type(1)), power)


SHAPES: dict[str, Callable[[Array, np.floating], Array]] = {
    "linear": linear,
    "cosine": cosine,
    "polynomial": polynomial,
    "power": rising,
}
