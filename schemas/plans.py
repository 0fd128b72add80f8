"""A plan: the tracks that a run follows."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Union

from pydantic import Field, model_validator

from schemas.base import Count, Model, Positive, TrackName
from schemas.bounds import check_size
from schemas.kinds import MODELS, settle
from schemas.specs import Spec

MAX_BASE_TRACKS = 64
MAX_DERIVED_TRACKS = 10_000


class TrackSpec(Spec):
    """A derived track, at plan level only: another track of the plan times a number. It travels as that number.

    One level only: `of` must not be derived itself. A factor of 0 freezes a group.
    """

    kind: Literal["track"]
    of: TrackName
    """Name of a track that is not derived itself."""
    factor: Annotated[float, Field(ge=0)]
    """The number."""

    formula: ClassVar[str] = "factor * the value of track `of`"
    aliases: ClassVar[tuple[str, ...]] = ("layer-wise", "group", "multiplier", "lr_mult")
    example: ClassVar[dict[str, Any]] = {"kind": "track", "of": "lr", "factor": 10.0}


if TYPE_CHECKING:
    Track = Spec
else:
    Track = Annotated[Union[(*MODELS, TrackSpec)], Field(discriminator="kind")]


class Plan(Model):
    """The tracks that a run follows, and the lengths that its durations refer to."""

    tracks: Annotated[dict[TrackName, Track], Field(min_length=1)]
    """By name, or group/name: `lr`, `momentum`, `head/lr`."""
    total_steps: Count | None = None
    """Length of the run: what "3%" refers to, and where progress ends."""
    steps_per_epoch: Positive | None = None
    """What "12ep" refers to."""

    @model_validator(mode="before")
    @classmethod
    def _small_enough(cls, data: Any) -> Any:
        return check_size(data)

    @model_validator(mode="after")
    def _derived_tracks_have_a_base(self) -> "Plan":
        derived = {name: track for name, track in self.tracks.items() if isinstance(track, TrackSpec)}
        base = len(self.tracks) - len(derived)
        if base > MAX_BASE_TRACKS or len(derived) > MAX_DERIVED_TRACKS:
            raise ValueError(
                f"A plan has at most {MAX_BASE_TRACKS} base tracks and {MAX_DERIVED_TRACKS} derived (kind `track`)."
            )
        for name, track in derived.items():
            if track.of not in self.tracks:
                raise ValueError(f"Track {name} derives from {track.of}, which is not in the plan.")
            if track.of in derived:
                raise ValueError(f"Track {name} derives from {track.of}, which is derived itself: name its base.")
        return self


settle(Plan)
