"""optax.schedules and optax.contrib, optax 0.2.8."""
