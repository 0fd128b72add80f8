"""The Keras callback, on each backend: Keras chooses one for a whole process, so each gets its own."""

import os
import sys
from importlib.util import find_spec

import pytest

from tests.processes import completed
from tests.service import ROOT


@pytest.mark.skipif(find_spec("keras") is None, reason="keras is not installed")
@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.timeout(240)
def test_backend(backend: str) -> None:
    """All of `keras_cases.py`."""
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    output = completed(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/clients/keras_cases.py"],
        200,
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert " passed" in output
