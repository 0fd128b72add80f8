"""diffusers 0.42.1: its schedules, and the arguments of its training scripts."""
