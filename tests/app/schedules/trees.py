"""Random schedules and actions for the properties: small numbers, every kind, every nesting."""

from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]

values = st.one_of(st.sampled_from([0.0, 1.0, 0.1, 3e-4]), st.floats(0.0, 2.0))
factors = st.floats(0.25, 2.0)
steps = st.one_of(st.integers(0, 300), st.floats(0.0, 300.0), st.sampled_from(["10%", "0.5ep", "3%"]))
lengths = st.one_of(st.integers(1, 300), st.floats(0.5, 300.0), st.sampled_from(["10%", "2ep"]))
shapes = st.sampled_from(["linear", "cosine", "polynomial", "power"])
pasts = st.sampled_from(["hold", "continue"])


def record(kind: str, /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({"kind": st.just(kind), **fields})


formulas = st.sampled_from(
    [
        "0.1 / (1 + step)",
        "where(step < 50, 0.1, 0.1 * exp(-step/100))",
        "abs(sin(step / 7)) + cos(step)**2",
        "max(1e-3, 0.5 ** (step // 30)) * tanh(1 + step % 11)",
        "sqrt(floor(step / 3)) + ceil(step / 5) * 0 + log(1 + step)",
        "(step >= 10) * (step < 90) + pow(0.99, step)",
    ]
)
updates = st.sampled_from(
    ["value * 0.99", "sin(value)", "value * (1 + cos(pi*step/40)) / (1 + cos(pi*(step-1)/40) + 1e-3)"]
)
points = st.lists(st.tuples(st.floats(-20.0, 400.0), values), min_size=1, max_size=6).map(
    lambda pairs: [list(pair) for pair in sorted(pairs, key=lambda pair: pair[0])]
)

leaves: st.SearchStrategy[Json] = st.one_of(
    record("constant", value=values),
    record("ramp", start=values, end=values, steps=steps, shape=shapes, power=factors, past=pasts),
    record(
        "ramp",
        start=st.floats(1e-3, 1.0),
        end=st.floats(1e-3, 1.0),
        steps=steps,
        shape=st.just("exponential"),
    ),
    record("exponential", start=values, rate=st.floats(0.5, 1.0), steps=lengths, staircase=st.booleans()),
    record(
        "inverse_time", start=values, rate=factors, steps=lengths, power=st.floats(0.3, 2.0), staircase=st.booleans()
    ),
    record("interpolate", points=points, shape=st.sampled_from(["hold", "linear", "cosine"]), past=st.just("hold")),
    record("formula", expression=formulas),
    record("iterate", start=st.floats(0.01, 1.0), update=updates, limit=st.integers(0, 6000)),
    record("cyclic", low=values, high=values, up_steps=st.integers(1, 40), decay=st.floats(0.5, 1.0)),
    record("wsd", peak=values, warmup_steps=steps, stable_steps=steps, decay_steps=steps),
    record("one_cycle", peak=values, up_steps=steps, down_steps=steps),
    record("inverse_sqrt", peak=values, warmup_steps=steps),
)


def branches(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    phases = st.lists(st.fixed_dictionaries({"schedule": inner, "steps": steps}), min_size=1, max_size=3)
    return st.one_of(
        record("sequence", phases=phases),
        record(
            "repeat",
            of=inner,
            steps=lengths,
            growth=st.sampled_from([1.0, 1.0, 1.5, 2.0]),
            decay=st.floats(0.5, 1.0),
        ),
        record("sum", of=st.lists(inner, min_size=1, max_size=3)),
        record("product", of=st.lists(inner, min_size=1, max_size=3)),
        record("scale", factor=factors, of=inner),
        record("clamp", of=inner, min=st.floats(0.0, 0.1), max=st.floats(0.2, 2.0)),
        st.builds(
            lambda of, start, at, length, end, held: {
                "kind": "clock",
                "of": of,
                "from": start,
                "at": at,
                "to": start + length,
                "end": end,
                "held": held,
            },
            inner,
            st.integers(-50, 300),
            st.floats(0.0, 300.0),
            st.floats(1.0, 400.0),
            st.floats(0.0, 400.0),
            st.booleans(),
        ),
        record("float32", of=inner),
        record("warmup", steps=steps, then=inner, start=values, shape=shapes),
        record("reduce_on_plateau", of=inner, factor=factors),
    )


schedules = st.recursive(leaves, branches, max_leaves=5)

TOTAL = 1000
plans: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {
        "tracks": st.fixed_dictionaries(
            {"lr": schedules, "head/lr": record("track", of=st.just("lr"), factor=factors)},
            optional={"weight_decay": schedules},
        ),
        "steps_per_epoch": st.just(10.0),
        "total_steps": st.just(TOTAL),
    }
)

_some = st.sampled_from([["lr"], ["head/lr"], ["lr", "head/lr"]])
_tracks = st.one_of(st.none(), _some)


def _action(kind: str, /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    made = record(kind, tracks=_tracks, **fields)
    return made.map(lambda action: {key: value for key, value in action.items() if value is not None})


actions: st.SearchStrategy[Json] = st.one_of(
    _action("scale", factor=factors),
    _action("scale", to=st.floats(1e-4, 1.0)),
    _action("set", value=values),
    _action("ramp", to=values, steps=steps, shape=shapes, power=factors),
    _action("cooldown", steps=st.integers(0, 200), to=values),
    _action("hold"),
    _action("hold"),
    _action("resume"),
    _action("resume"),
    _action("stretch", total_steps=st.integers(1, 3000)),
    _action("batch", **{"from": st.floats(64.0, 256.0), "to": st.floats(64.0, 256.0)}),
    record("rollback", revision=st.integers(1, 5)),
    record("replace", plan=plans, at=st.one_of(st.none(), st.integers(0, 500))),
)
