"""The functions of NumPy that curves use give each element the same bits wherever it stands in an array.

Vector loops, their tails and the scalar versions differ per CPU, so this runs under several instruction sets.
"""

import os
import subprocess
import sys

import pytest

PROBE = """
import numpy as np
from app.schedules.formula import ON_ARRAYS
np.seterr(all="ignore")
random = np.random.default_rng(7)
bad = []
for kind in (np.float64, np.float32):
    wide = [random.random(1500) * 4, np.arange(1500.0), random.random(1500) * 1e16, random.normal(size=1500) * 50]
    wide.append(np.where(random.random(1500) < 0.1, wide[2], wide[0]))  # a few large ones among small ones
    for x in (each.astype(kind) for each in wide):
        calls = {name: f for name, f in ON_ARRAYS.items() if f in (np.exp, np.log, np.sin, np.cos, np.tan, np.tanh)}
        calls |= {"sqrt": np.sqrt, "a**k": lambda a: np.power(a, kind(1.7)), "k**a": lambda a: np.power(kind(0.97), a)}
        calls |= {"floor": np.floor, "fmod": lambda a: np.fmod(a, kind(3.3)), "//": lambda a: a // kind(3.3)}
        for name, call in calls.items():
            whole = call(x)
            for _ in range(60):
                start = int(random.integers(0, 1400)); stop = start + int(random.integers(1, 70))
                part = call(x[start:stop])
                into = call(x[start:stop].copy())
                if part.tobytes() != whole[start:stop].tobytes() or into.tobytes() != part.tobytes():
                    bad.append((name, kind.__name__))
                    break
print(bad)
"""


@pytest.mark.parametrize("without", ["", "X86_V4 AVX512_ICL AVX512_SPR", "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"])
def test_elementwise_functions_do_not_depend_on_position(without: str) -> None:
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": without, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROBE], env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
