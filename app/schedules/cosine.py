"""Cosine ramps, fast: at whole times the cosine comes from angle addition on a fixed grid of blocks.

cos(pi*u/steps) with u = q*4096 + r is cos(a)cos(b) - sin(a)sin(b), a for the block q and b for the place r in it: two
products and a sum from a table, where NumPy's cosine costs ten times that. Since q and r depend on u alone, the bits of
a value do not depend on the window. At times between the steps (a stretched clock) the cosine itself is taken.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from app.schedules.arrays import Array
from app.schedules.curves import Ramp
from schemas.base import MAX_STEP

BLOCK = 4096  # NumPy's broadcasting is three times slower with rows of 2048 and less


@lru_cache(maxsize=64)
def _places(steps: float, count: int) -> tuple[Array, Array]:
    """cos(b) and sin(b) for the first places of a block."""
    b = np.pi * (np.arange(float(count)) / steps)
    return np.cos(b), np.sin(b)


@dataclass(frozen=True)
class CosineRamp(Ramp):
    """start + (end - start)*(1 - cos(pi*u/steps))/2 in float64, exactly `start` at 0 and `end` at `steps`.

    No further from the true value than 1e-15 of the larger end, and never outside of the two ends.
    """

    def _places(self) -> tuple[Array, Array]:
        """cos(b) and sin(b) for the places of a block that can be asked for."""
        inside = self.past == "hold" and self.steps < BLOCK
        return _places(float(self.steps), int(np.ceil(self.steps)) if inside else BLOCK)

    def _blocks(self, q: Array) -> tuple[Array, Array]:
        """The factors of the places' cosines and sines in the blocks `q`."""
        half = (self.end - self.start) / 2
        a = np.pi * (q * BLOCK / self.steps)
        return np.cos(a) * -half, np.sin(a) * half

    def _finished(self, values: Array, products: Array) -> None:
        """In place: from the two products of angle addition to values."""
        values += products
        values += self.start + (self.end - self.start) / 2
        self._clip(values)

    def _clip(self, values: Array) -> None:
        np.clip(values, min(self.start, self.end), max(self.start, self.end), out=values)

    def _between(self, u: Array) -> Array:
        """The values at times between the steps."""
        values = super().__call__(u)
        self._clip(values)
        return values

    def __call__(self, u: Array) -> Array:
        whole: NDArray[np.bool_] = (u == np.floor(u)) & (u <= MAX_STEP)
        if self.steps == 0 or not whole.any():
            return self._between(u)
        q = np.floor(u / BLOCK)
        cosines, sines = self._places()
        place = np.minimum(np.where(whole, u - q * BLOCK, 0), len(cosines) - 1).astype(np.intp)
        of_cosine, of_sine = self._blocks(q)
        values: Array = of_cosine * cosines[place]
        self._finished(values, of_sine * sines[place])
        if not whole.all():
            np.copyto(values, self._between(u), where=~whole)
        np.copyto(values, self.start, where=u == 0)
        np.copyto(values, self.end, where=u >= self.steps if self.past == "hold" else u == self.steps)
        return values

    def fill(self, first: float, out: Array) -> None:
        if first != np.floor(first) or first + out.size > MAX_STEP or self.steps == 0:
            super().fill(first, out)
            return
        end = float(self.steps) - first  # where in `out` the ramp ends
        inside = int(min(max(np.ceil(end), 0), out.size)) if self.past == "hold" else out.size
        out[inside:] = self.end
        self._fill_blocks(int(first), out[:inside])
        if first == 0:
            out[:1] = self.start
        if 0 <= end < inside and end == int(end):
            out[int(end)] = self.end

    def _fill_blocks(self, first: int, out: Array) -> None:
        """A part of a block, whole blocks, a part of a block."""
        cosines, sines = self._places()
        done = 0
        while done < out.size:
            block, place = divmod(first + done, BLOCK)
            width, count = min(BLOCK - place, out.size - done), 1
            if width == BLOCK:
                count = (out.size - done) // BLOCK
            values = out[done : done + count * width].reshape(count, width)
            of_cosine, of_sine = self._blocks(np.arange(float(block), float(block + count)))
            np.multiply(of_cosine[:, None], cosines[place : place + width], out=values)
            self._finished(values, of_sine[:, None] * sines[place : place + width])
            done += count * width
