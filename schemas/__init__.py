"""The wire contract of Lockstep: pydantic models and nothing else. A leaf: it imports no other package of ours."""
