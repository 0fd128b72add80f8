"""Libraries that compute in float32 if not told otherwise."""

from struct import pack, unpack

from schemas.compose import float32
from schemas.schedules import Precision
from schemas.specs import Lowered, Spec


class Precise(Lowered):
    """A schedule of a library that computes in float32 if not told otherwise."""

    dtype: Precision = "float32"
    """Precision of the computation."""

    def curve(self) -> Spec:
        """The schedule, whatever its precision."""
        raise NotImplementedError

    def lower(self) -> Spec:
        return float32(self.curve()) if self.dtype == "float32" else self.curve()

    def rounded(self, value: float) -> float:
        """A number as the library holds it."""
        return single(value) if self.dtype == "float32" else value


def single(value: float) -> float:
    """The nearest float32."""
    try:
        nearest: float = unpack("<f", pack("<f", value))[0]
    except OverflowError:
        raise ValueError(f"{value:g} is too large for float32.") from None
    return nearest
