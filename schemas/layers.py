"""Layer-wise rates: derived tracks for many parameter groups, written from one factor."""

from typing import Annotated

from pydantic import Field, model_validator

from schemas.base import Model, TrackName

GroupName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,100}$")]
Layer = GroupName | Annotated[list[GroupName], Field(min_length=1, max_length=1000)]


class Layerwise(Model):
    """A derived track for the groups of every layer, each layer a constant factor below the one after it.

    The last layer, next to the output, has the whole rate; layer i of n has factor^(n - 1 - i). Resolving writes the
    tracks `group/<name of the track>`. A group that has such a track in `tracks` already keeps it.
    """

    of: TrackName = "lr"
    """The track that they derive from."""
    factor: Annotated[float, Field(gt=0, le=1)]
    """A layer's rate over that of the next one, such as 0.75."""
    groups: Annotated[list[Layer], Field(min_length=1, max_length=10_000)] | None = None
    """The parameter groups by name, from the input to the output; a list is several groups in one layer."""
    depth: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Or the number of layers, whose groups are `prefix` and a number from 0: without a prefix, their index."""
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{0,90}$")] = ""
    """What the names of the groups begin with, with `depth`."""

    @model_validator(mode="after")
    def _one_of_them(self) -> "Layerwise":
        if (self.groups is None) == (self.depth is None):
            raise ValueError("Give `groups`, the names from input to output, or `depth`, the number of layers.")
        if self.groups is not None and self.prefix:
            raise ValueError("`prefix` goes with `depth`; the `groups` have whole names.")
        names = self.names()
        if len(set(names)) < len(names):
            raise ValueError("A group is named twice.")
        return self

    def layers(self) -> list[list[str]]:
        """The names of the groups of every layer, from the input to the output."""
        if self.groups is None:
            return [[f"{self.prefix}{index}"] for index in range(self.depth or 0)]
        return [[layer] if isinstance(layer, str) else layer for layer in self.groups]

    def names(self) -> list[str]:
        """The names of all groups."""
        return [name for layer in self.layers() for name in layer]

    def factors(self) -> dict[str, float]:
        """The factor of every group.

        >>> Layerwise(factor=0.5, groups=["stem", ["body", "norm"], "head"]).factors()
        {'stem': 0.25, 'body': 0.5, 'norm': 0.5, 'head': 1.0}
        """
        layers = self.layers()
        return {name: self.factor ** (len(layers) - 1 - index) for index, layer in enumerate(layers) for name in layer}
