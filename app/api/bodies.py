"""Bodies as models: small ones are read at once, and large ones in a thread, because the event loop answers nobody
while it reads."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from fastapi import Body, Depends, Request
from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from starlette.concurrency import run_in_threadpool

from app.validation import refused
from schemas.base import Model

SMALL = 2**16  # bytes that are read in the time that a thread takes to begin

Posted = TypeVar("Posted", bound=Model)


def posted(model: type[Posted], examples: Mapping[str, Any] | None = None) -> Any:
    """What a route's argument is that takes its body: a value of this model. Raises `Invalid`."""
    described = Body(openapi_examples=None if examples is None else dict(examples))

    async def read(request: Request, data: Annotated[model, WrapValidator(_later), described]) -> Posted:  # type: ignore[valid-type]
        if len(await request.body()) <= SMALL:
            return validated(model, data)
        return await run_in_threadpool(validated, model, data)

    return Depends(read)


def _later(data: Any, _read: ValidatorFunctionWrapHandler) -> Any:
    """In place of FastAPI's own reading, which is the event loop's; it still describes the model."""
    return data


def validated(model: type[Posted], data: Any) -> Posted:
    """JSON data as a model. Raises `Invalid`, which points into it."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise refused(error, data, model) from None
