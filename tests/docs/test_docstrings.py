"""The examples in the docstrings of the engine, of the dialects and of the wire contract run."""

import doctest
import importlib
import pkgutil

import pytest

import app.dialects
import app.schedules
import schemas

MODULES = [
    module.name
    for package in (app.schedules, app.dialects, schemas)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
