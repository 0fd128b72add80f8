"""torchtitan: its schedule, and the configuration of its jobs."""
