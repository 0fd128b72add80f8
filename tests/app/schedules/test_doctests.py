"""The examples in the docstrings of the engine run."""

import doctest
import importlib
import pkgutil

import pytest

import app.schedules


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(app.schedules.__path__)])
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"app.schedules.{name}")).failed == 0
