"""Lockstep's client: the learning rates of a run, the same at every rank, and changes to them while it runs."""

from lockstep import errors
from lockstep.client import Client
from lockstep.follower import Follower, Reading

__all__ = ["Client", "Follower", "Reading", "__version__", "errors"]
__version__ = "0.1.0"
