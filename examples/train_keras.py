"""Keras 3: a callback, on the torch or the JAX backend.

KERAS_BACKEND=torch LOCKSTEP_URL=http://127.0.0.1:8000 python examples/train_keras.py
"""

import keras
import numpy as np

from lockstep.keras import LockstepCallback

PLAN = {"tracks": {"lr": {"kind": "keras.CosineDecay", "initial_learning_rate": 0.01, "decay_steps": 48}}}


def main() -> None:
    """Three epochs of 16 batches; the logs of each end with the rate and the revision of its last update."""
    x = np.random.default_rng(0).normal(size=(128, 8)).astype("float32")
    y = x.sum(axis=1, keepdims=True)
    model = keras.Sequential(
        [keras.layers.Input((8,)), keras.layers.Dense(16, activation="tanh"), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.01), loss="mse")
    history = model.fit(x, y, batch_size=8, epochs=3, verbose=0, callbacks=[LockstepCallback("example-keras", PLAN)])
    for epoch, (loss, rate) in enumerate(zip(history.history["loss"], history.history["learning_rate"], strict=True)):
        print(f"epoch {epoch}: loss {loss:.4f}, rate {rate:.6f}")


if __name__ == "__main__":
    main()
