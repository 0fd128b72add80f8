"""An oracle that is asked for a number of draws belongs to the long run, which asks for more."""

from pathlib import Path

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and hasattr(getattr(item, "module", None), "DRAWS"):
            item.add_marker(pytest.mark.sampled)
