"""The use cases: what Lockstep does, with no word of HTTP and none of SQL."""
