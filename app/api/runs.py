"""Routes of runs, but for the window call (`app.api.windows`)."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.api.bodies import posted
from app.api.codecs import response
from app.api.dependencies import Asked, Controlled, Identified, Keyed, Matched
from app.api.pictures import PICTURES, accepted_picture
from app.api.turns import ASKING, CHANGING
from app.control import revisions, runs, values
from app.control.access import permit
from app.control.idempotency import Answer
from app.control.tags import tag
from app.control.workers import find as workers_of
from app.errors import Invalid
from schemas.base import Count, Number, Number0, Step, Text, TrackName
from schemas.runs import (
    EventList,
    FoundRun,
    LockCreate,
    Preview,
    Revision,
    RevisionCreate,
    RevisionList,
    RewindCreate,
    RewoundRun,
    Run,
    RunCreate,
    RunList,
    RunPatch,
    RunValues,
    Status,
    WorkerList,
)

router = APIRouter(prefix="/v1/runs", tags=["runs"])


Limit = Annotated[int, Query(ge=1, le=1000)]


@router.post(
    "",
    status_code=201,
    dependencies=[CHANGING],
    response_model=FoundRun,
    responses={200: {"model": FoundRun, "description": "It was there"}},
    summary="Create a run, or find it",
)
def create(
    control: Controlled, body: Annotated[RunCreate, posted(RunCreate)], identity: Identified, key: Keyed
) -> Response:
    """All ranks may send it. The same plan finds the run; another one is `run-exists`, with `differences`, unless
    `if_exists` is `keep` or `replace`."""
    permit(identity, "worker", body.run)
    status, answer = runs.create(control, body, identity, key)
    return response(answer, status=status, headers={"Location": f"/v1/runs/{body.run}", **_tagged(answer)})


@router.get("", dependencies=[ASKING], response_model=RunList, summary="List runs")
def find(
    control: Controlled,
    identity: Identified,
    status: Status | None = None,
    label: Annotated[list[Text] | None, Query(description="`key=value`; all of them must hold")] = None,
    cursor: Number | None = None,
    limit: Limit = 100,
) -> Response:
    """Newest first: those that you may see."""
    pairs = [entry.partition("=") for entry in label or []]
    if any(not separator for _, separator, _ in pairs):
        raise Invalid.at("/label", "a label filter is written key=value")
    labels = {name: value for name, _, value in pairs}
    return response(runs.find(control, names=identity.runs, status=status, labels=labels, cursor=cursor, limit=limit))


@router.get("/{run}", response_model=Run, summary="One run")
def get(control: Controlled, run: Text) -> Response:
    """The ETag is of the run as it is: a change with it in `If-Match` asks for the same revision and settings."""
    answer = runs.get(control, run)
    return response(answer, headers=_tagged(answer))


@router.patch("/{run}", response_model=Run, summary="Change settings of a run")
def patch(
    control: Controlled,
    run: Text,
    body: Annotated[RunPatch, posted(RunPatch)],
    identity: Identified,
    asked: Asked,
) -> Response:
    """Labels, `lead_seconds`, `max_window`, bounds. Only a revision changes a plan."""
    return _run(runs.patch(control, run, body, identity, asked))


@router.get("/{run}/values", dependencies=[ASKING], response_model=RunValues, summary="The curve of a run")
def curve(
    control: Controlled,
    request: Request,
    run: Text,
    start: Step | None = None,
    stop: Step | None = None,
    stride: Count = 1,
    points: Annotated[int | None, Query(ge=2, le=100_000)] = None,
    attempt: Number | None = None,
    track: Annotated[list[TrackName] | None, Query(description="derived ones too; default all base tracks")] = None,
    log: Annotated[bool, Query(description="logarithmic values, in a picture")] = False,
) -> Response:
    """Committed values below `committed_until`, planned ones beyond. As JSON or little-endian float64.

    By `Accept: image/svg+xml` or `image/png`, a picture of one track: every attempt, with the revisions marked.
    """
    if kind := accepted_picture(request):
        names = {} if not track else {"track": track[0]}
        picture = values.picture(control, run, kind, log=log, start=start, stop=stop, attempt=attempt, **names)
        return Response(picture, media_type=PICTURES[kind])
    seen = values.curve(
        control, run, start=start, stop=stop, stride=stride, points=points, attempt=attempt, tracks=track
    )
    about = {"Lockstep-Uid": seen.run.uid, "Lockstep-Newest": str(seen.run.revision)}
    return response(seen.values, request.headers.get("accept", ""), headers=about)


@router.post(
    "/{run}/revisions", status_code=201, dependencies=[CHANGING], response_model=Revision, summary="Change the schedule"
)
def revise(
    control: Controlled,
    run: Text,
    body: Annotated[RevisionCreate, posted(RevisionCreate)],
    identity: Identified,
    key: Keyed,
    if_match: Matched,
) -> Response:
    """Takes effect at `from_step`, or at the horizon, on every rank at that step. Pending changes stay behind it."""
    status, answer = revisions.revise(control, run, body, identity, key=key, if_match=if_match)
    headers = {"Location": f"/v1/runs/{run}/revisions/{answer.number}", "ETag": f'"{answer.number}"'}
    return response(answer, status=status, headers=headers)


@router.post(
    "/{run}/revisions/preview", dependencies=[ASKING], response_model=Preview, summary="See what a change would do"
)
def preview(
    control: Controlled,
    run: Text,
    body: Annotated[RevisionCreate, posted(RevisionCreate)],
    identity: Identified,
    points: Annotated[int, Query(ge=2, le=100_000)] = 500,
) -> Response:
    """Values before and after, from the step it would take effect at. Changes nothing; applying it may land later."""
    return response(revisions.preview(control, run, body, identity, points=points))


@router.get("/{run}/revisions", dependencies=[ASKING], response_model=RevisionList, summary="History")
def history(
    control: Controlled,
    run: Text,
    cursor: Number0 = 0,
    limit: Limit = 1000,
    plan: bool = False,
) -> Response:
    """Ascending. Plans only with `?plan=true`. The ETag is the newest revision's number."""
    answer, newest = revisions.history(control, run, cursor=cursor, limit=limit, plan=plan)
    return response(answer, headers={"ETag": f'"{newest}"'})


@router.get("/{run}/revisions/{number}", response_model=Revision, summary="One revision in full")
def revision(control: Controlled, run: Text, number: Number) -> Response:
    """With the plan from its step on."""
    return response(revisions.one(control, run, number))


@router.post("/{run}/rewind", dependencies=[CHANGING], response_model=RewoundRun, summary="Go back to a checkpoint")
def rewind(
    control: Controlled,
    run: Text,
    body: Annotated[RewindCreate, posted(RewindCreate)],
    identity: Identified,
    key: Keyed,
    if_match: Matched,
) -> Response:
    """Starts the next attempt at `to_step`; later revisions are dropped. May carry an action that holds from there."""
    status, answer = revisions.rewind(control, run, body, identity, key=key, if_match=if_match)
    return response(answer, status=status, headers=_tagged(answer))


@router.get("/{run}/workers", dependencies=[ASKING], response_model=WorkerList, summary="The workers of a run")
def workers(control: Controlled, run: Text) -> Response:
    """Where each one is, and what of it is verified."""
    return response(workers_of(control, run))


@router.get("/{run}/events", dependencies=[ASKING], response_model=EventList, summary="What happened to a run")
def events(
    control: Controlled,
    run: Text,
    cursor: Number0 = 0,
    limit: Limit = 1000,
) -> Response:
    """Ascending; alarms are marked."""
    return response(runs.events(control, run, after=cursor, limit=limit))


@router.post("/{run}/finish", response_model=Run, summary="Mark a run as finished")
def finish(control: Controlled, run: Text, identity: Identified, asked: Asked) -> Response:
    """Only a mark: the next commit reopens the run, with an event."""
    return _run(runs.finish(control, run, identity, asked))


@router.post("/{run}/archive", response_model=Run, summary="Close a run")
def archive(control: Controlled, run: Text, identity: Identified, asked: Asked) -> Response:
    """Its history stays readable, its name stays taken."""
    return _run(runs.archive(control, run, identity, asked))


@router.post("/{run}/lock", response_model=Run, summary="Let nothing of a run change")
def lock(
    control: Controlled,
    run: Text,
    body: Annotated[LockCreate, posted(LockCreate)],
    identity: Identified,
    asked: Asked,
) -> Response:
    """Until it is unlocked, changes are refused, but for those that an administrator forces. Workers go on."""
    return _run(runs.lock(control, run, body, identity, asked))


@router.post("/{run}/unlock", response_model=Run, summary="Let a run change again")
def unlock(control: Controlled, run: Text, identity: Identified, asked: Asked) -> Response:
    """Whoever may change runs may unlock them: it keeps from haste, not from intent."""
    return _run(runs.unlock(control, run, identity, asked))


def _run(answer: Answer[Run]) -> Response:
    status, run = answer
    return response(run, status=status, headers=_tagged(run))


def _tagged(run: Run) -> dict[str, str]:
    return {"ETag": f'"{tag(run)}"'}
