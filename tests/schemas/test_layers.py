"""Layer-wise factors: each layer a constant factor below the next, by names or by numbers."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.layers import Layerwise


def layerwise(**fields: Any) -> Layerwise:
    return Layerwise.model_validate({"factor": 0.5, **fields})


@pytest.mark.parametrize(
    ("fields", "layers"),
    [
        ({"depth": 2}, [["0"], ["1"]]),
        ({"depth": 2, "prefix": "layer."}, [["layer.0"], ["layer.1"]]),
        ({"groups": ["stem", ["body", "norm"], "head"]}, [["stem"], ["body", "norm"], ["head"]]),
    ],
)
def test_the_last_layer_has_the_whole_rate(fields: dict[str, Any], layers: list[list[str]]) -> None:
    made = layerwise(**fields)
    assert made.layers() == layers
    assert made.names() == [name for layer in layers for name in layer]
    distance = {name: len(layers) - 1 - index for index, layer in enumerate(layers) for name in layer}
    assert made.factors() == {name: 0.5**far for name, far in distance.items()}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "`groups`.*or `depth`"),
        ({"depth": 2, "groups": ["a"]}, "`groups`.*or `depth`"),
        ({"groups": ["a"], "prefix": "x"}, "`prefix` goes with `depth`"),
        ({"groups": ["a", ["b", "a"]]}, "named twice"),
        ({"depth": 0}, "depth"),
        ({"depth": 2, "factor": 1.5}, "factor"),
        ({"groups": ["a/b"]}, "groups"),
    ],
)
def test_what_names_no_layers_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        layerwise(**fields)
