"""optax and JAX: the values go into the state of inject_hyperparams, and the update is compiled once.

LOCKSTEP_URL=http://127.0.0.1:8000 python examples/train_optax.py
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from lockstep.logs import Log, progress
from lockstep.optax import LockstepRates

STEPS = 100
PLAN = {
    "tracks": {
        "lr": {
            "kind": "optax.warmup_cosine_decay_schedule",
            "init_value": 0.0,
            "peak_value": 0.1,
            "warmup_steps": 10,
            "decay_steps": STEPS,
        },
        "weight_decay": {"kind": "ramp", "start": 0.0, "end": 0.01, "steps": STEPS},
    }
}


def main() -> None:
    """Fit a linear model."""
    x = jax.random.normal(jax.random.key(0), (64, 8))
    y = x.sum(axis=1)
    params = jnp.zeros(8)
    optimizer = optax.inject_hyperparams(optax.adamw)(learning_rate=0.0, weight_decay=0.0)

    @jax.jit
    def update(params: Any, state: Any) -> Any:
        loss, gradients = jax.value_and_grad(lambda p: jnp.mean((x @ p - y) ** 2))(params)
        changes, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, changes), state, loss

    state = optimizer.init(params)
    log = Log(progress(STEPS), every=20)
    with LockstepRates("example-optax", PLAN) as rates:
        for step in range(STEPS):
            state = rates.put(state, step)  # the step is known here, so JAX's dispatch stays ahead
            params, state, loss = update(params, state)
            log(step, rates.reading())
    print(f"loss {loss:.4f}")


if __name__ == "__main__":
    main()
