"""How a worker begins: the arguments that every follower and adapter takes, and the run that they create or find."""

import logging
import os
import random
from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from lockstep import identity
from lockstep.cache import Cache
from lockstep.client import Client, Document, as_document
from lockstep.errors import Misused, Refused, Unavailable
from lockstep.feed import Feed
from lockstep.outage import FOLLOW, POLICIES, WAIT
from lockstep.prefetcher import PAST_STEPS, Prefetcher, Terms
from lockstep.transport import BaseTransport
from lockstep.window import PLANNED, Window

logger = logging.getLogger("lockstep")


class Creation(TypedDict, total=False):
    """What a plan creates its run with."""

    labels: Mapping[str, str] | None  # for controllers to find the run by
    start_step: int | None  # the first step of the run, for a job that has trained without it; 0
    lead_seconds: float | None  # how far ahead of the training values are committed; the service's default
    max_window: int | None  # the same in steps, at most
    bounds: Mapping[str, Any] | None  # what a controller may not leave


class Options(Creation, total=False):
    """What a `Follower` and every adapter take beside `run` and `plan`. None stands for the default."""

    url: str | None  # of the service, or `local`; `LOCKSTEP_URL`
    token: str | None  # `LOCKSTEP_TOKEN`
    transport: BaseTransport | None  # in tests: `lockstep.testing.FakeService(...).transport`
    timeout: float | None  # seconds that one request may take; 5
    worker: str | None  # this process in the run; `rank-0`, or whichever rank the framework or the launcher says it is
    policy: str | None  # follow, freeze, wait or raise; follow, and wait where several ranks fetch for themselves
    start_seconds: float | None  # at most so long for the first window; 60
    wait_seconds: float | None  # at most so long for every later one, by the policy wait; 600
    cache_dir: str | os.PathLike[str] | None  # where a file keeps the values in hand, to start without the service
    if_exists: str | None  # of another plan: `keep` the run's, as a restarted process does anyhow, or `replace` it


DEFAULTS: dict[str, Any] = {"timeout": 5.0, "start_seconds": 60.0, "wait_seconds": 600.0}


class Beginning:
    """How a run begins for a worker: with a plan that creates it, or as one that must be there.

    `rank` is this process, `ranks` how many of them fetch for themselves; by default as PyTorch's process group says,
    else the launcher.

    Raises `Misused` over arguments that there are not, a policy that there is not, and a run without a name.
    """

    def __init__(
        self,
        run: str | None = None,
        plan: Document | None = None,
        *,
        rank: int | None = None,
        ranks: int | None = None,
        **options: Unpack[Options],
    ) -> None:
        if unknown := sorted(set(options) - set(Options.__annotations__)):
            raise Misused(f"Unknown arguments {', '.join(unknown)}; there are {', '.join(Options.__annotations__)}.")
        given = DEFAULTS | {name: value for name, value in options.items() if value is not None}
        self.run = identity.run_name(run)
        made, size = identity.process_group() if rank is None else (rank, ranks)
        self._rank = identity.rank() if made is None else made
        self.worker: str = given.get("worker") or identity.worker_name(self._rank)
        self.policy: str = given.get("policy") or (WAIT if (ranks or size or identity.ranks()) > 1 else FOLLOW)
        if self.policy not in POLICIES:
            raise Misused(f"An outage policy is one of {', '.join(POLICIES)}, not {self.policy!r}.")
        self.start_step = int(given.get("start_step", 0))
        self._plan = None if plan is None else as_document(plan)
        self._if_exists = given.get("if_exists") or ("keep" if identity.restarted() else None)
        self._create = {name: given[name] for name in Creation.__annotations__ if name in given}
        self._given = given
        self._there = False

    @property
    def who(self) -> tuple[object, str, str]:
        """What nobody else may be at a time: this worker of this run of this service."""
        service = self._given.get("transport") or self._given.get("url") or os.environ.get("LOCKSTEP_URL")
        return service, self.run, self.worker

    @property
    def steps_are_epochs(self) -> bool:
        """Whether the plan counts epochs where others count updates."""
        return self._plan is not None and self._plan.get("steps_per_epoch") == 1

    def client(self) -> Client:
        """A client of the service."""
        return Client(
            self._given.get("url"),
            token=self._given.get("token"),
            timeout=self._given["timeout"],
            transport=self._given.get("transport"),
        )

    def feed(self) -> Feed:
        """The worker's feed, which makes sure that the run is there before it asks for a window."""
        client, cache_dir = self.client(), self._given.get("cache_dir")
        cache = None if cache_dir is None else Cache(cache_dir, self.run, self.worker)
        terms = Terms(
            run=self.run,
            worker=self.worker,
            instance=identity.new_instance(),
            url=client.url,
            policy=self.policy,
            keep_steps=0 if cache is None else PAST_STEPS,
            first=self._rank == 0,
            **{name: self._given[name] for name in DEFAULTS},
        )
        jitter = random.Random().random  # of its own: the training's random numbers must not depend on the network

        def create() -> None:
            if not self._there:
                self._look(client)

        return Feed(client, Prefetcher(terms, jitter, create=self._plan is not None), cache, create)

    def peek(self) -> Window | None:
        """The values of the run's first step, without joining it; None while the service is away.

        Raises a `Refused` where the run cannot be created or is not there.
        """
        with self.client() as client:
            try:
                run = self._look(client)
                start = int(run["start_step"])
                values = client.values(self.run, start, start + 1)["values"]
                tracks = run["plan"].get("tracks", {})
                derived = {
                    name: (spec["of"], float(spec.get("factor", 1.0)))
                    for name, spec in tracks.items()
                    if spec.get("kind") == "track" and spec["of"] in values
                }
                relative = tuple(run["plan"].get("relative", ()))
                about = str(run["uid"]), run["attempt"], start, start + 1, run["revision"]
                return Window(*about, values, derived, PLANNED, relative)
            except Unavailable as error:
                logger.warning("Run %s: %s Going on; the first step will wait for it.", self.run, error)
                return None

    def stood(self) -> int | None:
        """The step at which the run's current attempt knows this worker, of a process before this one; else None."""
        with self.client() as client:
            try:
                attempt = client.run(self.run)["attempt"]
                known = {worker["worker"]: worker for worker in client.workers(self.run)}
            except (Unavailable, Refused):
                return None  # joining tells
        worker = known.get(self.worker)
        return int(worker["step"]) if worker is not None and worker["attempt"] == attempt else None

    def _look(self, client: Client) -> dict[str, Any]:
        if self._plan is None:
            return client.run(self.run)
        run = client.create_run(self.run, self._plan, if_exists=self._if_exists, **self._create)
        self._there = True
        if (others := run.get("differences")) and self._if_exists == "keep":
            places = "; ".join(f"{o['pointer']}: {o['posted']!r} here, {o['run']!r} in the run" for o in others)
            logger.warning("Run %s goes on with the plan that it has, not with this script's (%s).", self.run, places)
        for warned in run.get("warnings", ()):  # whoever makes the run is told, once
            logger.warning("Run %s, %s: %s", self.run, warned["pointer"], warned["detail"])
        return run
