"""`make bench`: measures with every module of this folder, or those named, and writes the figures into the pages.

    python -m benchmarks                 all of them, one after the other
    python -m benchmarks client http     these

A module has HEADS, PACKAGES (whose versions count) and `rows()`, which gives rows of text as they are measured.
"""

import importlib
import pkgutil
import sys

import benchmarks
from benchmarks.figures import Table, circumstances, load, save


def main(*names: str) -> None:
    for name in names or [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]:
        module = importlib.import_module(f"benchmarks.{name}")
        if not hasattr(module, "rows"):
            continue
        print(f"\n### {name}\n\n| {' | '.join(module.HEADS)} |", flush=True)
        measured: list[list[str]] = []
        for row in module.rows():
            print(f"| {' | '.join(row)} |", flush=True)
            measured.append(list(row))
        save(load() | {name: Table(circumstances(*module.PACKAGES), list(module.HEADS), measured)})


if __name__ == "__main__":
    main(*sys.argv[1:])
