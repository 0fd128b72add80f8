"""`make demo`: four training processes, one schedule that changes while they run, and proof that nobody drifted."""
