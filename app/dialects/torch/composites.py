"""Schedulers made of schedulers, nested as one likes.

Members share one rate, the optimizer's, and constructing a member changes it; so what a composite does depends on the
order of construction, which here is the order of the spec, inner members before the composite that holds them.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from math import inf
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from app.dialects.functions import number
from app.dialects.parameters import of_group
from app.dialects.torch.cycles import TorchCyclicLR, TorchOneCycleLR
from app.dialects.torch.decays import TorchConstantLR, TorchCosineAnnealingLR, TorchMultiplicativeLR
from app.dialects.torch.forms import LIMIT, Recursive, TorchScheduler
from schemas.base import Step
from schemas.compose import clock, constant, formula, iterate, product, sequence
from schemas.schedules import Clock
from schemas.specs import Schedule, Spec

Members = Annotated[list[Schedule], Field(min_length=1, max_length=64)]


@dataclass(frozen=True)
class Chain:
    """A ChainedScheduler: every member changes the rate, one after another."""

    members: tuple["Node", ...]

    def first(self, value: str) -> str:
        return reduce(lambda inner, member: member.first(f"({inner})"), self.members, value)

    def again(self, value: str) -> str:
        return reduce(lambda inner, member: member.again(f"({inner})"), self.members, value)

    def restart(self, value: str) -> str:
        return self.first(value)

    def update(self, value: str, step: str) -> str:
        return reduce(lambda inner, member: member.update(f"({inner})", step), self.members, value)

    def start(self, value: float) -> float | None:
        """The rate after construction as a number, if it is one without evaluating a formula."""
        for member in self.members:
            after = _start(member, value)
            if after is None:
                return None
            value = after
        return value

    def leaves(self) -> "list[Node]":
        """The members, those of chains inside in their place."""
        return [
            leaf for member in self.members for leaf in (member.leaves() if isinstance(member, Chain) else [member])
        ]

    def lower(self, rate: float, form: str) -> Spec:
        leaves = self.leaves()
        if all(isinstance(leaf, Leaf) for leaf in leaves):
            last = leaves[-1]
            if isinstance(last, TorchScheduler) and (len(leaves) == 1 or not isinstance(last, Recursive)):
                return last.lower()
            if not all(isinstance(leaf, Recursive) for leaf in leaves):  # a member that assigns hides those before it
                later = self.update("0", "step")
                return formula("where(step == 0, first, later)", first=self.first("0"), later=later)
            if form == "closed" and all(_multiplies(leaf) for leaf in leaves):
                factors = [leaf.model_copy(update={"base_lr": 1.0}).lower() for leaf in leaves]  # type: ignore[union-attr]
                return product(constant(rate), *factors)
        return recurrence(self, rate)


@dataclass(frozen=True)
class Series:
    """A SequentialLR: one member at a time changes the rate; at its milestone it assigns its own first rate."""

    members: tuple["Node", ...]
    milestones: list[int]
    initial: float
    """The optimizer's `initial_lr` when the series was constructed, to which it resets the rate."""
    ahead: int = 0
    """Steps by which its clock is ahead: one for every series around it that it begins."""

    def active(self) -> int:
        """Index of the member that begins."""
        return bisect_right(self.milestones, 0)

    def first(self, value: str) -> str:
        member, rate = self.members[self.active()], number(self.initial)
        return member.again(rate) if isinstance(member, Chain | Series) else member.first(rate)

    def again(self, value: str) -> str:
        member = self.members[bisect_right(self.milestones, self.ahead)]
        return member.restart(value) if self.ahead in self.milestones else member.again(value)

    def restart(self, value: str) -> str:
        return self.first(value)

    def update(self, value: str, step: str) -> str:
        text = ""
        starts = [0, *(at - self.ahead for at in self.milestones)]
        for index in reversed(range(self.active(), len(self.members))):
            member, start = self.members[index], starts[index]
            if index == self.active():
                own = member.update(value, step)
            else:
                local = f"({step} - {number(start)})"
                own = f"where({step} == {start}, {member.restart(value)}, {member.update(value, local)})"
            text = f"where({step} < {starts[index + 1]}, {own}, {text})" if text else own
        return text

    def start(self, value: float) -> float | None:
        """The rate after construction as a number, if it is one without evaluating a formula."""
        member = self.members[self.active()]
        return None if isinstance(member, Chain | Series) else _start(member, self.initial)

    def lower(self, rate: float, form: str) -> Spec:
        if form == "recursive":
            return recurrence(self, rate)
        phases: list[tuple[Spec, float | None]] = []
        starts = [0, *self.milestones]
        before = constant(self.initial)
        for index in range(self.active(), len(self.members)):
            member, begins = self.members[index], not phases
            length = starts[index + 1] - starts[index] if index + 1 < len(starts) and not begins else None
            if begins and index + 1 < len(starts):
                length = starts[index + 1]
            curve = self._opening(member) if begins else _entering(member, before)
            if length != 0:
                before = Clock(kind="clock", of=curve, at=max(0.0, (length or 0) - 1.0), held=True)
            phases.append((curve, length))
        return sequence(*phases)

    def _opening(self, member: "Node") -> Spec:
        """The curve of the member that begins, from `initial`, which an OneCycleLR may have made another than its."""
        if isinstance(member, Recursive):
            own = member.rate() == self.initial and getattr(member, "total_iters", 1) != 0
            return member.lower() if own else member.recurrence(self.initial)
        if isinstance(member, TorchScheduler):
            return member.lower()
        return _shifted(self.first(""), member.update("value", "(step - 1)"))


@dataclass(frozen=True)
class Late:
    """A CyclicLR that was not constructed first: until its first step the rate is the `initial_lr` that it found."""

    scheduler: TorchCyclicLR
    found: float

    def first(self, value: str) -> str:
        return number(self.found)

    def again(self, value: str) -> str:
        return self.scheduler.again(value)

    def restart(self, value: str) -> str:
        return self.scheduler.restart(value)

    def update(self, value: str, step: str) -> str:
        return self.scheduler.update(value, step)

    def start(self, value: float) -> float | None:
        return self.found


Leaf = TorchScheduler | Late
Node = Leaf | Chain | Series


def recurrence(node: Chain | Series, rate: float) -> Spec:
    """The rates by the update of the members, whatever they are."""
    start = node.start(rate)
    if start is not None:
        return iterate(start, node.update("value", "step"), LIMIT)
    return _shifted(node.first(number(rate)), node.update("value", "(step - 1)"))


def _shifted(first: str, update: str) -> Spec:
    """A recurrence whose first value is an expression; `update` writes its step as (step - 1)."""
    return clock(iterate(0.0, f"where(step == 1, {first}, {update})", LIMIT), 1.0)


def _start(node: Node, value: float) -> float | None:
    if isinstance(node, TorchScheduler):
        return value * node.gain() if isinstance(node, Recursive) else None
    return node.start(value)


def _multiplies(leaf: Node) -> bool:
    """Whether chaining a scheduler is multiplying by its curve over a rate of 1."""
    if isinstance(leaf, TorchConstantLR) and leaf.factor == 0:
        return False
    return not isinstance(leaf, TorchCosineAnnealingLR) and getattr(leaf, "total_iters", 1) != 0


def _entering(member: Node, before: Spec) -> Spec:
    """The curve of a member that begins at its milestone; `before` stands still at the rate before it."""
    if isinstance(member, TorchMultiplicativeLR):
        return product(before, member.continued())
    if (
        isinstance(member, Recursive)
        and not isinstance(member, TorchConstantLR)
        and getattr(member, "total_iters", 1) == 0
    ):
        return member.recurrence(member.rate())
    if isinstance(member, TorchScheduler):
        return member.lower()
    assert not isinstance(member, Late)
    return member.lower(member.initial if isinstance(member, Series) else 0.0, "closed")


class _Construction:
    """Members constructed in order on one optimizer, whose `initial_lr` they read and may change."""

    def __init__(self, spec: "TorchComposite") -> None:
        leaves = list(_leaves(spec))
        self.fresh = True
        cycles = [leaf for leaf in leaves if isinstance(leaf, TorchOneCycleLR)]
        self.group = spec.group
        self.one_cycle = cycles[-1] if cycles else None  # the last one's rates stand in the optimizer, for all
        self.initial = leaves[0].rate() if isinstance(leaves[0], TorchCyclicLR) else spec.rate()

    def build(self, spec: TorchScheduler) -> Node:
        """The scheduler as torch has it after its construction."""
        if isinstance(spec, TorchSequentialLR):
            built = [self.build(member) for member in _torch(spec)]
            members: list[Node] = [member.scheduler if isinstance(member, Late) else member for member in built]
            active = bisect_right(spec.milestones, 0)
            members[active] = _ahead(members[active])
            return Series(tuple(members), spec.milestones, self.initial)
        if isinstance(spec, TorchChainedScheduler):
            return Chain(tuple([self.build(member) for member in _torch(spec)]))
        changes: dict[str, Any] = {"group": self.group}
        if isinstance(spec, TorchOneCycleLR) and self.one_cycle:
            changes |= {name: getattr(self.one_cycle, name) for name in ("max_lr", "div_factor", "final_div_factor")}
        if not isinstance(spec, TorchCyclicLR):
            changes["base_lr"] = self.initial
        if isinstance(spec, TorchOneCycleLR):
            self.initial = of_group(spec.max_lr, self.group, "max_lr") / spec.div_factor
        fresh, self.fresh = self.fresh, False
        leaf = spec.model_copy(update=changes)
        return Late(leaf, self.initial) if isinstance(leaf, TorchCyclicLR) and not fresh else leaf


def _ahead(node: Node) -> Node:
    """A member that a series begins with: composites in it have made a step by then."""
    if isinstance(node, Chain):
        return Chain(tuple(_ahead(member) for member in node.members))
    if isinstance(node, Series):
        active = node.active()
        members = [_ahead(member) if index == active else member for index, member in enumerate(node.members)]
        return replace(node, members=tuple(members), ahead=node.ahead + 1)
    return node


def _torch(spec: "TorchComposite") -> list[TorchScheduler]:
    members = []
    for index, member in enumerate(spec.schedulers):
        if not isinstance(member, TorchScheduler):
            raise ValueError(
                f"`schedulers`: member {index} is {member.kind}, and {spec.kind} takes torch schedulers that follow "
                "the step alone; for others there are `sequence` and `product`."
            )
        members.append(member)
    return members


def _leaves(spec: TorchScheduler) -> Iterable[TorchScheduler]:
    if isinstance(spec, TorchComposite):
        for member in _torch(spec):
            yield from _leaves(member)
    else:
        yield spec


class TorchComposite(TorchScheduler):
    """A scheduler made of schedulers."""

    schedulers: Members
    """The members, torch schedulers themselves; they take the `base_lr` that is given here."""

    @model_validator(mode="after")
    def _members_are_torch(self) -> "TorchComposite":
        _torch(self)
        return self

    def lower(self) -> Spec:
        """sequence, product or iterate"""
        construction = _Construction(self)
        rate = construction.initial
        node = construction.build(self)
        assert isinstance(node, Chain | Series)
        return node.lower(rate, self.form)


class TorchSequentialLR(TorchComposite):
    """Schedulers one after another, each from its own step 0 at its milestone.

    As the first member of another, its clock is a step ahead in torch, and here. As a later one, or if a
    ChainedScheduler is one, torch raises NotImplementedError at the milestone; here it begins there as it would alone.
    """

    kind: Literal["torch.SequentialLR"]
    milestones: list[Step]
    """Steps at which the next member begins, one fewer than members, not decreasing; 0 skips a member."""

    formula = "schedulers[i](t - milestones[i-1]) for milestones[i-1] <= t < milestones[i]"
    aliases = ("sequence", "warmup then", "join")
    example = {
        "schedulers": [
            {"kind": "torch.LinearLR", "start_factor": 0.1, "total_iters": 5},
            {"kind": "torch.CosineAnnealingLR", "T_max": 95},
        ],
        "milestones": [5],
        "base_lr": 0.1,
    }

    @model_validator(mode="after")
    def _one_milestone_fewer(self) -> "TorchSequentialLR":
        if len(self.milestones) != len(self.schedulers) - 1:
            raise ValueError(
                f"`milestones` must be one fewer than `schedulers`: {len(self.schedulers) - 1}, "
                f"not {len(self.milestones)}."
            )
        if sorted(self.milestones) != self.milestones:
            raise ValueError("`milestones` must not decrease.")
        return self

    def last_step(self) -> float | None:
        starts = [0, *self.milestones]
        lasts = [
            start + last
            for member, start, end in zip(self.schedulers, starts, [*self.milestones, inf], strict=True)
            if (last := member.last_step()) is not None and start + last < end - 1
        ]
        return min(lasts, default=None)


class TorchChainedScheduler(TorchComposite):
    """Schedulers that change one rate, one after another in each step.

    Those that multiply make a product. One that assigns a rate (LambdaLR, CosineAnnealingWarmRestarts, CyclicLR,
    OneCycleLR) undoes what those before it did. CosineAnnealingLR in a chain is neither: torch computes it from the
    rate before, which others have changed, so that the rate may even go below 0; so does this.
    """

    kind: Literal["torch.ChainedScheduler"]

    formula = "x_t = update_n(... update_1(x_(t-1), t) ..., t); a product where all members multiply"
    aliases = ("product", "chain")
    example = {
        "schedulers": [
            {"kind": "torch.ConstantLR", "factor": 0.1, "total_iters": 20},
            {"kind": "torch.ExponentialLR", "gamma": 0.9},
        ],
        "base_lr": 0.1,
    }

    def last_step(self) -> float | None:
        return min((last for member in self.schedulers if (last := member.last_step()) is not None), default=None)
