"""Schedulers for parts of the run."""

from dataclasses import replace
from itertools import accumulate
from math import inf
from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.dialects.decays import first_step, on_from
from app.dialects.fvcore.where import EPSILON, Fvcore, OverTheRun, Where
from schemas.base import NotNegative
from schemas.compose import sequence
from schemas.specs import Schedule, Spec


class FvcoreCompositeParamScheduler(OverTheRun):
    """Schedulers for parts of the run, each over its part (`rescaled`) or as if it ran from the start (`fixed`)."""

    kind: Literal["fvcore.CompositeParamScheduler"]
    schedulers: Annotated[list[Schedule], Field(min_length=1, max_length=1000)]
    """The schedulers, from fvcore themselves; the length of the run is that of the composite."""
    lengths: list[NotNegative]
    """Share of the run of each, 1 in all; the last gets what is left."""
    interval_scaling: list[Literal["rescaled", "fixed"]]
    """What each scheduler takes for `where`: its own part's share, or the run's."""

    formula = "schedulers[i](where, or (where - start_i)/lengths[i] if rescaled) while where + 1e-6 <= end_i"
    aliases = ("detectron2", "sequence", "WarmupParamScheduler")
    example = {
        "schedulers": [
            {"kind": "fvcore.LinearParamScheduler", "start_value": 0.001, "end_value": 0.1},
            {"kind": "fvcore.CosineParamScheduler", "start_value": 0.1, "end_value": 0.0},
        ],
        "lengths": [0.1, 0.9],
        "interval_scaling": ["rescaled", "rescaled"],
        "num_updates": 100,
    }

    @model_validator(mode="after")
    def _fits(self) -> "FvcoreCompositeParamScheduler":
        count = len(self.schedulers)
        if len(self.lengths) != count:
            raise ValueError(f"`lengths` must be as many as `schedulers`, {count}, not {len(self.lengths)}.")
        if len(self.interval_scaling) < count:
            raise ValueError(f"`interval_scaling` must be as many as `schedulers`, {count}.")
        if abs(sum(self.lengths) - 1.0) >= 1e-3:
            raise ValueError(f"`lengths` must come to 1, not {sum(self.lengths):g}.")
        for index, member in enumerate(self.schedulers):
            if not isinstance(member, Fvcore):
                raise ValueError(f"`schedulers`: member {index} is {member.kind}, and this takes those of fvcore only.")
        return self

    def raises(self, where: float) -> bool:
        last, lengths = self.schedulers[-1], self._shares()
        if self.interval_scaling[len(lengths) - 1] == "rescaled":
            *_, total = accumulate(lengths, initial=0.0)
            where = (where - (total - lengths[-1])) / lengths[-1] if lengths[-1] else inf
        return isinstance(last, Fvcore) and last.raises(where)

    def _shares(self) -> list[float]:
        """The lengths, of which the last gets what is left."""
        lengths = [*self.lengths]
        if sum(lengths) != 1.0:
            lengths[-1] = 1.0 - sum(lengths[:-1])
        return lengths

    def lower(self) -> Spec:
        """the schedulers in a sequence, over the run and on from there"""
        return on_from(super().lower(), float(self.run() or 0))

    def curve(self, where: Where) -> Spec:
        lengths = self._shares()
        phases: list[tuple[Spec, float | None]] = []
        begin, total = 0, 0.0
        for index, (member, length) in enumerate(zip(self.schedulers, lengths, strict=True)):
            total += length
            end = None
            if index + 1 < len(lengths):
                end = first_step(lambda step, total=total: where.at(step) + EPSILON > total, begin)  # type: ignore[misc]
            if end != begin:
                scaling = ((total - length, length),) if self.interval_scaling[index] == "rescaled" else ()
                inner = replace(where, begin=where.begin + begin, rescaled=where.rescaled + scaling)
                assert isinstance(member, Fvcore)
                phases.append((member.curve(inner), None if end is None else end - begin))
            if end is None:
                break
            begin = end
        return sequence(*phases)
