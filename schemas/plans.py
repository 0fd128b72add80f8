"""A plan: the tracks that a run follows."""

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    PlainValidator,
    SerializeAsAny,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from typing_extensions import TypeAliasType

from schemas import folds, schedules, shorthands  # noqa: F401 - our own kinds, which enter the registry
from schemas.base import Count, Model, NotNegative, Positive, TrackName
from schemas.bounds import check_size
from schemas.layers import Layerwise
from schemas.specs import Schedule, Spec, schedule

MAX_BASE_TRACKS = 64
MAX_DERIVED_TRACKS = 10_000


class TrackSpec(Spec):
    """A derived track, at plan level only: another track of the plan times a number. It travels as that number.

    One level only: `of` must not be derived itself. A factor of 0 freezes a group.
    """

    kind: Literal["track"]
    of: TrackName
    """Name of a track that is not derived itself."""
    factor: NotNegative
    """The number."""

    nests = False
    formula = "factor * the value of track `of`"
    aliases = ("layer-wise", "group", "multiplier", "lr_mult")
    example = {"of": "lr", "factor": 10.0}


TRACK = {"type": "object", "title": "Track", "description": "Any schedule, or a derived track: an object with `kind`."}

Track = TypeAliasType("Track", Annotated[Spec, PlainValidator(schedule), SerializeAsAny(), WithJsonSchema(TRACK)])


class Plan(Model):
    """The tracks that a run follows, and the lengths that its durations refer to."""

    preset: Schedule | None = None
    """A schedule for the whole plan: a scheduler that sets more than the rate, such as torch.OneCycleLR the momentum,
    gives a track for each; any other is the track `lr`. Resolving writes the tracks; one that stands in `tracks`
    already stays."""
    tracks: Annotated[dict[TrackName, Track], Field(default_factory=dict, validate_default=True)]
    """By name, or group/name: `lr`, `momentum`, `head/lr`."""
    layerwise: Layerwise | None = None
    """Derived tracks for the layers of a network, written by resolving."""
    total_steps: Count | None = None
    """Length of the run: what "3%" refers to, and where progress ends."""
    steps_per_epoch: Positive | None = None
    """What "12ep" refers to."""

    relative: Annotated[list[TrackName], Field(max_length=MAX_BASE_TRACKS)] = Field(default_factory=list)
    """Base tracks whose values are factors of each parameter group's own first number, as torch's schedulers have them:
    a plan that is one for groups with different rates."""

    @model_validator(mode="before")
    @classmethod
    def _small_enough(cls, data: Any) -> Any:
        return check_size(data)

    @field_validator("tracks")
    @classmethod
    def _not_empty(cls, tracks: dict[str, Spec], info: ValidationInfo) -> dict[str, Spec]:
        if not tracks and info.data.get("preset", cls) is None:
            raise ValueError("a plan needs a track, such as `lr`, or a `preset`")
        return tracks

    @model_validator(mode="after")
    def _derived_tracks_have_a_base(self) -> "Plan":
        tracks = self.all_tracks()
        derived = {name: track for name, track in tracks.items() if isinstance(track, TrackSpec)}
        base = len(tracks) - len(derived)
        if base > MAX_BASE_TRACKS or len(derived) > MAX_DERIVED_TRACKS:
            raise ValueError(
                f"a plan has at most {MAX_BASE_TRACKS} base tracks and {MAX_DERIVED_TRACKS} derived (kind `track`)"
            )
        for name, track in derived.items():
            if track.of not in tracks:
                raise ValueError(f"track {name} derives from {track.of}, which is not in the plan")
            if track.of in derived:
                raise ValueError(f"track {name} derives from {track.of}, which is derived itself: name its base")
        return self

    @model_validator(mode="after")
    def _relative_tracks_are_there(self) -> "Plan":
        tracks = self.all_tracks()
        for name in self.relative:
            if name not in tracks or isinstance(tracks[name], TrackSpec):
                raise ValueError(f"`relative` names base tracks of the plan; {name} is none")
        return self

    def all_tracks(self) -> dict[str, Spec]:
        """The tracks, with those that `preset` and `layerwise` stand for."""
        tracks: dict[str, Spec] = {}
        if self.preset is not None:
            for name in self.preset.drives():
                tracks[name] = self.preset if name == "lr" else self.preset.model_copy(update={"quantity": name})
        tracks |= self.tracks
        if self.layerwise is not None:
            of = self.layerwise.of
            for group, factor in self.layerwise.factors().items():
                derived = TrackSpec(kind="track", of=of, factor=factor)
                tracks.setdefault(f"{group}/{of.rpartition('/')[2]}", derived)
        return tracks

    def expanded(self) -> "Plan":
        """The same plan with every track in `tracks`."""
        if self.preset is None and self.layerwise is None:
            return self
        given = self.model_fields_set - {"preset", "layerwise"} | {"tracks"}
        kept = {name: getattr(self, name) for name in ("total_steps", "steps_per_epoch", "relative")}
        return Plan.model_construct(given, tracks=self.all_tracks(), **kept)
