"""Keras 3.15.1: schedules, callbacks, and what `get_config()` writes."""
