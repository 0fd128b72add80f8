"""Routes of schedules: stateless calls that need no run."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.api.bodies import posted
from app.api.codecs import OCTETS, json_response
from app.api.pictures import PICTURES, PNG, SVG, accepted_picture
from app.api.turns import ASKING
from app.control import importing, schedules
from schemas.base import Text
from schemas.evaluate import (
    Evaluate,
    Evaluated,
    EvaluatedStep,
    Explain,
    Explained,
    ExplainedPlan,
    Kind,
    KindList,
    Plot,
)
from schemas.importing import Import, Imported

EXAMPLES = {
    "schedule": {
        "summary": "A cosine after a warm-up, every tenth step",
        "value": {
            "schedule": {
                "kind": "warmup",
                "steps": "5%",
                "then": {"kind": "ramp", "shape": "cosine", "start": 0.1, "end": 0.001, "steps": "95%"},
            },
            "total_steps": 1000,
            "steps": {"start": 0, "stop": 1001, "stride": 10},
        },
    },
    "plan": {
        "summary": "Two tracks at three steps",
        "value": {
            "plan": {
                "tracks": {
                    "lr": {"kind": "exponential", "start": 0.1, "rate": 0.5, "steps": "30ep", "staircase": True},
                    "head/lr": {"kind": "track", "of": "lr", "factor": 10.0},
                },
                "steps_per_epoch": 100,
            },
            "steps": [0, 2999, 3000],
        },
    },
    "step": {
        "summary": "One step",
        "value": {"schedule": {"kind": "ramp", "start": 0.1, "end": 0.0, "steps": 100}, "step": 50},
    },
}

EXPLAIN_EXAMPLES = {
    "schedule": {
        "summary": "A warm-up that is longer than the run",
        "value": {
            "schedule": {"kind": "warmup_cosine", "peak": 0.1, "warmup_steps": 2000, "decay_steps": 8000},
            "total_steps": 1000,
        },
    }
}

PLOT_EXAMPLES = {
    "two": {
        "summary": "Two schedules over each other",
        "value": {
            "schedules": {
                "cosine": {"kind": "warmup_cosine", "peak": 0.1, "warmup_steps": "5%", "decay_steps": "95%"},
                "wsd": {
                    "kind": "wsd",
                    "peak": 0.1,
                    "warmup_steps": "5%",
                    "stable_steps": "75%",
                    "decay_steps": "20%",
                },
            },
            "total_steps": 1000,
            "marks": [{"step": 400, "label": "revision 2"}],
        },
    }
}

IMPORT_EXAMPLES = {
    "torch": {
        "summary": "state_dict() of a torch scheduler",
        "value": {"config": {"T_max": 100, "eta_min": 0.0, "base_lrs": [0.1], "last_epoch": 0, "_last_lr": [0.1]}},
    },
    "deepspeed": {
        "summary": "A DeepSpeed configuration",
        "value": {
            "config": {
                "train_batch_size": 256,
                "optimizer": {"type": "AdamW", "params": {"lr": 3e-4}},
                "scheduler": {"type": "WarmupLR", "params": {"warmup_num_steps": 1000, "warmup_max_lr": 3e-4}},
            }
        },
    },
    "text": {
        "summary": "The text of a YAML file",
        "value": {
            "text": "learning_rate: 2.0e-5\nlr_scheduler_type: cosine\nwarmup_ratio: 0.03\nnum_train_epochs: 3\n",
            "format": "yaml",
            "steps_per_epoch": 406,
        },
    },
}

router = APIRouter(prefix="/v1/schedules", tags=["schedules"])


@router.get("", response_model=KindList, summary="The catalogue of kinds")
def kinds(q: Annotated[Text, Query(max_length=200, description="part of a name or alias")] = "") -> Response:
    """Every kind with summary, formula, parameters as JSON schema, source and an example that runs."""
    return json_response(schedules.kinds(q))


@router.get(
    "/{kind}",
    dependencies=[ASKING],
    response_model=Kind,
    summary="One kind",
    responses={200: {"content": {SVG: {"schema": {"type": "string"}}, PNG: {"schema": {"type": "string"}}}}},
)
def kind(request: Request, kind: str) -> Response:
    """The kind of this name; 404 with the nearest names where there is none.

    By `Accept: image/svg+xml` or `image/png`, a picture of its example.
    """
    if picture := accepted_picture(request):
        return Response(schedules.kind_plot(kind, picture), media_type=PICTURES[picture])
    return json_response(schedules.kind(kind))


@router.post(
    "/evaluate",
    dependencies=[ASKING],
    response_model=Evaluated | EvaluatedStep,
    summary="Values of a schedule or a plan",
    responses={200: {"content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}}}},
)
def evaluate(request: Request, body: Annotated[Evaluate, posted(Evaluate, EXAMPLES)]) -> Response:
    """A range of steps, a list, or one; as JSON, or by `Accept: application/octet-stream` as little-endian float64.

    The tracks of a plan follow one another in the order of the header `Lockstep-Tracks`.
    """
    if OCTETS not in request.headers.get("accept", ""):
        found = schedules.evaluate(body)
        return json_response(found.answer())
    found = schedules.evaluate(body, limit=schedules.MAX_VALUES)
    columns = [np.ascontiguousarray(column, "<f8").data.cast("B") for column in found.values.values()]
    data = columns[0] if len(columns) == 1 else b"".join(columns)  # 80 MB are not copied without need
    headers = {"Lockstep-Tracks": ",".join(found.values)} if body.plan is not None else None
    return Response(data, headers=headers, media_type=OCTETS)


@router.post(
    "/explain",
    dependencies=[ASKING],
    response_model=Explained | ExplainedPlan,
    summary="What a schedule or a plan means",
)
def explain(body: Annotated[Explain, posted(Explain, EXPLAIN_EXAMPLES)]) -> Response:
    """The native form that it lowers to, its pieces with formulas, extremes, direction and area, and what may bite."""
    return json_response(schedules.explain(body))


@router.post(
    "/plot",
    dependencies=[ASKING],
    summary="A picture of schedules",
    response_class=Response,
    responses={200: {"content": {SVG: {"schema": {"type": "string"}}, PNG: {"schema": {"type": "string"}}}}},
)
def plot(request: Request, body: Annotated[Plot, posted(Plot, PLOT_EXAMPLES)]) -> Response:
    """SVG, or PNG by `Accept: image/png`; phases of the first curve are shaded, marks are vertical lines."""
    picture = accepted_picture(request) or "svg"
    return Response(schedules.plot(body, picture), media_type=PICTURES[picture])


@router.post(
    "/import", dependencies=[ASKING], response_model=Imported, summary="A schedule from a library's own configuration"
)
def import_(body: Annotated[Import, posted(Import, IMPORT_EXAMPLES)]) -> Response:
    """What a library or its training script wrote, as an object or a text; with what was read of it, and what not."""
    return json_response(importing.imported(body))
