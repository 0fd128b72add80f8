"""One process of a JAX job whose parameters are sharded over all devices of all processes.

Arguments: a folder for the results, the addresses of the service and the coordinator, how many processes, and which.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from lockstep.optax import LockstepRates
from tests.clients.revised import STEPS, Remote


def train(steps: int, put: Callable[[Any], Any]) -> dict[str, Any]:
    """Train; what was applied, how it ended, and how often the update was traced."""
    mesh = Mesh(np.array(jax.devices()), ("all",))
    start = np.linspace(-1, 1, 8, dtype=np.float32)
    params = jax.make_array_from_callback((8,), NamedSharding(mesh, PartitionSpec("all")), lambda index: start[index])
    optimizer = optax.inject_hyperparams(optax.adamw)(learning_rate=0.0)
    state = jax.jit(optimizer.init)(params)
    traces, applied = 0, []

    @jax.jit
    def update(params: Any, state: Any) -> Any:
        nonlocal traces
        traces += 1
        updates, state = optimizer.update(jax.grad(lambda p: (p**2).sum())(params), state, params)
        return optax.apply_updates(params, updates), state

    for _ in range(steps):
        state = put(state)
        applied.append(float(state.hyperparams["learning_rate"]))
        params, state = update(params, state)
    whole = jax.jit(lambda p: p, out_shardings=NamedSharding(mesh, PartitionSpec()))(params)
    return {"applied": applied, "weights": np.asarray(whole.addressable_data(0)).tolist(), "traces": traces}


def main(folder: str, url: str, coordinator: str, count: str, which: str) -> None:
    os.environ["RANK"] = which
    if int(count) > 1:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(coordinator, int(count), int(which))
    job = Remote(url)
    with LockstepRates(**job.options) as rates:

        def put(state: Any) -> Any:
            job.passed(int(state.count) - 1)
            return rates.put(state)

        result = train(STEPS, put)
    result |= {"traces_without": train(3, lambda state: state)["traces"], "devices": len(jax.devices())}
    Path(folder, f"rank-{which}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
