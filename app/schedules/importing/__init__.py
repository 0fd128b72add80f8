"""From what a library writes about its scheduler to our specs. Pure: a module for each library, found by its marks."""

from collections.abc import Callable, Mapping
from typing import Any

from app.errors import Invalid
from app.schedules.importing import deepspeed, keras, torch, transformers
from app.schedules.importing.reading import Fields, Found, Given, Notes

READERS: dict[str, Callable[[Fields, Given], Found]] = {
    "torch": torch.read,
    "transformers": transformers.read,
    "deepspeed": deepspeed.read,
    "keras": keras.read,
}
MARKS: dict[str, Callable[[Mapping[str, Any]], bool]] = {  # in this order
    "torch": torch.is_torch,
    "transformers": transformers.is_transformers,
    "keras": keras.is_keras,
    "deepspeed": deepspeed.is_deepspeed,
}


def library_of(config: Mapping[str, Any]) -> str:
    """Whose configuration it is. Raises `Invalid` where nothing tells."""
    for library, found in MARKS.items():
        if found(config):
            return library
    raise Invalid.at(
        "/config", f"whose configuration this is does not show; say so in `library`, one of {', '.join(READERS)}"
    )


__all__ = ["READERS", "Fields", "Found", "Given", "Notes", "library_of"]
