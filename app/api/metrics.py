"""`GET /metrics`: what Prometheus scrapes. Labels are routes, runs and a few words, so their number is bounded."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from app.api.dependencies import Controlled, Identified
from app.api.record import BOUNDS, Meter
from app.control.context import Control
from app.control.gauges import gauges
from app.errors import Unavailable

if TYPE_CHECKING:
    from prometheus_client import Metric

router = APIRouter(tags=["service"])


async def _meter(request: Request) -> Meter:
    meter: Meter = request.app.state.meter
    return meter


@router.get(
    "/metrics",
    summary="How the service and its runs stand, for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(
    control: Controlled, identity: Identified, meter: Annotated[Meter, Depends(_meter)], request: Request
) -> Response:
    """Requests of this process, and of all runs that you may see the newest 500 that are active."""
    from prometheus_client import CollectorRegistry, ProcessCollector  # takes a while to load, and is seldom asked for
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.registry import Collector

    class Lockstep(Collector):
        def collect(self) -> Iterator["Metric"]:
            yield from of_requests(meter)
            yield from of_runs(control, identity.runs)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Lockstep())
    ProcessCollector(registry=registry)
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), media_type=media_type)


def of_requests(meter: Meter) -> Iterator["Metric"]:
    """What this process was asked, and how long it took."""
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    answers = CounterMetricFamily("lockstep_requests", "Answers.", labels=["method", "route", "status"])
    for (method, route, status), count in list(meter.answers.items()):
        answers.add_metric([method, route, str(status)], count)
    yield answers
    seconds = HistogramMetricFamily("lockstep_request_seconds", "How long an answer took.", labels=["route"])
    for route, timing in list(meter.timings.items()):
        buckets, below = [], 0
        for bound, count in zip([*map(str, BOUNDS), "+Inf"], timing.counts, strict=True):
            below += count
            buckets.append((bound, float(below)))
        seconds.add_metric([route], buckets, timing.seconds)
    yield seconds


def of_runs(control: Control, names: str) -> Iterator["Metric"]:
    """How runs stand, and whether the database says so at all."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    try:
        runs = gauges(control, names)
    except Unavailable:
        runs = None
    yield GaugeMetricFamily("lockstep_database_up", "Whether the database answers.", value=float(runs is not None))
    for name, text, field in (
        ("horizon_steps", "The first step that is not committed.", "horizon"),
        ("revision", "The newest revision's number.", "revision"),
        ("in_hand_steps", "Committed steps ahead of the first live worker.", "in_hand_steps"),
        ("in_hand_seconds", "The same at the run's pace.", "in_hand_seconds"),
        ("lag_steps", "How far the last live worker is behind the first.", "lag"),
    ):
        gauge = GaugeMetricFamily(f"lockstep_run_{name}", text, labels=["run"])
        for run in runs or ():
            if (found := getattr(run, field)) is not None:
                gauge.add_metric([run.run], found)
        yield gauge
    workers = GaugeMetricFamily("lockstep_run_workers", "Workers by state.", labels=["run", "state"])
    events = CounterMetricFamily("lockstep_run_events", "What happened, by type.", labels=["run", "type"])
    for run in runs or ():
        for state, count in run.workers.items():
            workers.add_metric([run.run, state], count)
        for kind, count in run.events.items():
            events.add_metric([run.run, kind], count)
    yield workers
    yield events
