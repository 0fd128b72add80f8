"""optax: `LockstepRates` puts the values of a run into the state of `inject_hyperparams`, outside of what is traced."""

import logging
from collections.abc import Iterator
from typing import Any, NamedTuple, Self, Unpack

try:
    import jax
    import optax  # noqa: F401
except ImportError as error:  # pragma: no cover
    raise ImportError("lockstep.optax needs optax and JAX: pip install optax jax") from error

from lockstep.adapter import Adapter, Resumable
from lockstep.client import Document
from lockstep.errors import Misused
from lockstep.follower import Reading
from lockstep.window import Window

logger = logging.getLogger("lockstep")

TRACKS = {"learning_rate": ("lr",), "b1": ("beta1", "momentum"), "b2": ("beta2",)}  # optax's name: ours


class Slot(NamedTuple):
    """One hyperparameter, in the injected state that is leaf number `place`."""

    place: int
    name: str
    track: str


class Use(NamedTuple):
    """What was written for an update, and what its state held afterwards."""

    step: int
    written: dict[Slot, float]
    found: dict[Slot, Any]


class LockstepRates:
    """The values of a run, in an optax state: one compiled update, whatever the controller does.

        optimizer = optax.inject_hyperparams(optax.adamw)(learning_rate=0.0)
        state = optimizer.init(params)
        with LockstepRates("my-run", plan, url="http://lockstep:8000") as rates:
            for batch in batches:
                state = rates.put(state)
                params, state = update(params, state, batch)  # jitted

    The track `lr` goes to `learning_rate`, `beta1` or `momentum` to `b1`, `beta2` to `b2`, any other track to the
    hyperparameter of its name; under `optax.partition` the track `head/lr` goes to the label head. The state may be
    nested in `chain`, `MultiSteps`, `apply_if_finite` and the like. With several processes each fetches for itself, and
    the default `policy` is `wait`. `options` are those of `lockstep.adapter.Resumable`.

    Raises `Misused` (no such hyperparameter, or a schedule in its place) and what a `Follower` raises.
    """

    def __init__(self, run: str | None = None, plan: Document | None = None, **options: Unpack[Resumable]) -> None:
        ranks = jax.process_count()
        self._several = ranks > 1
        place = {"rank": jax.process_index(), "ranks": ranks} if self._several else {}
        self._adapter = Adapter(run, plan, first="put()", **place, **options)
        self._window: Window | None = None
        self._border = 0
        self._slots: list[Slot] = []
        self._written: dict[Slot, float] = {}
        self._step = -1
        self._open: Use | None = None  # a use that is not compared yet, so as not to wait for its update

    def put(self, state: Any, step: int | None = None) -> Any:
        """The state with the values of the update that it goes to next; structure, dtypes and shardings stay.

        Without `step` the state's own count is read, so accumulated and skipped updates are right, and this waits for
        the update before. A loop that counts its updates itself passes `step` and keeps JAX's dispatch ahead.
        """
        leaves, tree = jax.tree.flatten(state, is_leaf=_injected)
        counted = step is None
        if step is None:
            step = max((int(leaf.count) for leaf in leaves if _injected(leaf)), default=0)
        if self._written and step != self._step:
            self._compare(self._open)
            self._open = Use(self._step, self._written, {s: leaves[s.place].hyperparams[s.name] for s in self._slots})
            if counted:
                self._compare(self._open)
                self._open = None
        window = self._at(step, state)
        self._written = {}
        for slot in self._slots:
            injected = leaves[slot.place]
            old = injected.hyperparams[slot.name]
            value = old.dtype.type(window.column(slot.track, step, step + 1)[0])
            self._written[slot] = float(value)
            new = value if self._several else jax.device_put(value, old.sharding if _settled(old) else None)
            leaves[slot.place] = injected._replace(hyperparams={**injected.hyperparams, slot.name: new})
        return jax.tree.unflatten(tree, leaves)

    def reading(self, track: str = "lr") -> Reading:
        """The value of any track at the update in hand, where it comes from, and its revision."""
        return self._adapter.reading(self._step, track)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint, beside optax's state: what is needed to go on while the service is away, as JSON data.

        Take it where the next `put` would come.
        """
        return self._adapter.follower.state(self._step + 1)

    def close(self) -> None:
        """Report the values used so far and end the background thread."""
        self._compare(self._open)
        self._open = None
        self._adapter.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _at(self, step: int, state: Any) -> Window:
        """The window that holds `step`; joins the run at first, and where the state was restored from elsewhere."""
        if not self._adapter.joined or step < self._step:
            self._adapter.join(step).record.trusted = True
            self._border, self._open = step, None
        elif step > self._step + 1:
            self._adapter.parted(self._step, step)
        follower = self._adapter.follower
        if step >= self._border:
            window, self._border = follower.visit(step)
            if window is not self._window:
                self._slots, self._window = list(_slots(state, window)), window
        follower.record.step = self._step = step
        follower.record.handed = True
        if self._open is not None:
            follower.record.checked = min(follower.record.checked, self._open.step)
        return follower.window

    def _compare(self, use: Use | None) -> None:
        """Note where an update used something else than what was written for it."""
        if use is None:
            return
        for slot, written in use.written.items():
            if (found := float(use.found[slot])) != written:
                self._adapter.differs(use.step, slot.track, found)


def _injected(node: Any) -> bool:
    return hasattr(node, "hyperparams") and hasattr(node, "count") and hasattr(node, "_replace")


def _settled(array: Any) -> bool:
    """Whether an array has a place of its own; one that has none goes wherever the rest of the state is."""
    return bool(getattr(array, "committed", False))


def _slots(state: Any, window: Window) -> Iterator[Slot]:
    """Where the window's tracks go. Raises `Misused` where one has no place or a schedule sits in it."""
    known = {*window.values, *window.derived}
    unused = set(known)
    for place, (path, leaf) in enumerate(jax.tree_util.tree_flatten_with_path(state, is_leaf=_injected)[0]):
        if not _injected(leaf):
            continue
        labels = [str(entry.key) for entry in reversed(path) if isinstance(entry, jax.tree_util.DictKey)]
        for name in leaf.hyperparams:
            short = (*TRACKS.get(name, ()), name)
            named = [f"{label}/{key}" for label in labels for key in short] + list(short)
            if (track := next((candidate for candidate in named if candidate in known), None)) is None:
                continue
            if name in getattr(leaf, "hyperparams_states", ()):
                raise Misused(f"inject_hyperparams has a schedule for {name}: give it a number for the run to replace.")
            unused.discard(track)
            yield Slot(place, name, track)
    if unused == known or any("/" in track for track in unused):
        raise Misused(
            f"No hyperparameter takes {', '.join(sorted(unused))}: make the optimizer with optax.inject_hyperparams."
        )
    if unused:
        logger.warning("No hyperparameter takes %s.", ", ".join(sorted(unused)))
