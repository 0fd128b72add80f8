"""Rates as tensors, and the optimizers that take them: fused, foreach, capturable, compiled, in a CUDA graph."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch

from lockstep.torch import LockstepLR
from tests.clients.revised import STEPS, Revised

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch.cuda.is_available() is false: no GPU here")
WAYS: dict[str, dict[str, Any]] = {
    "plain": {"foreach": False},
    "fused": {"fused": True},
    "foreach": {"foreach": True},
    "capturable": {"capturable": True, "foreach": True},
}
OPTIMIZERS: dict[str, Any] = {
    "SGD": lambda parameters, **settings: torch.optim.SGD(parameters, momentum=0.9, **settings),
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
}


class Loop:
    """A network on a device, whose rate is a tensor there (or a float)."""

    def __init__(self, device: str, optimizer: str, way: str, *, tensor: bool = True) -> None:
        torch.manual_seed(1)
        self.device = device
        self.net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 1)).to(device)
        rate = torch.tensor(0.5, device=device) if tensor else 0.5
        self.optimizer = OPTIMIZERS[optimizer](self.net.parameters(), lr=rate, **WAYS[way])
        self.rate = self.optimizer.param_groups[0]["lr"]
        self.update = self.optimizer.step
        self.applied: list[float] = []

    def backward(self, step: int) -> None:
        inputs = torch.sin(torch.arange(8.0, device=self.device).reshape(2, 4) + step)
        self.optimizer.zero_grad(set_to_none=False)
        self.net(inputs).square().mean().backward()

    def follow(self, job: Revised, scheduler: LockstepLR, start: int, stop: int) -> None:
        """Updates with the rates of a run; those that were applied are kept."""
        for step in range(start, stop):
            self.backward(step)
            self.update()
            held = self.optimizer.param_groups[0]["lr"]
            assert held is self.rate or not isinstance(self.rate, torch.Tensor)
            self.applied.append(float(held))
            job.passed(step)
            scheduler.step()

    def use(self, rates: list[float]) -> "Loop":
        """The same updates without a scheduler."""
        for step, rate in enumerate(rates):
            self.backward(step)
            if isinstance(self.rate, torch.Tensor):
                self.rate.fill_(rate)
            else:
                self.optimizer.param_groups[0]["lr"] = rate
            self.update()
        return self

    def compiled(self, backend: str) -> "Loop":
        """The same with a compiled update, compiled for it alone."""
        torch._dynamo.reset()
        self.update = torch.compile(self.optimizer.step, backend=backend)
        return self

    def weights(self) -> list[float]:
        numbers: list[float] = torch.cat([p.detach().flatten() for p in self.net.parameters()]).tolist()
        return numbers


def rounded(rates: list[float]) -> list[float]:
    numbers: list[float] = torch.tensor(rates, dtype=torch.float32).tolist()
    return numbers


def possible(device: str, optimizer: str, way: str, tensor: bool) -> bool:
    """What PyTorch has: `capturable` is for GPUs, and the foreach form of Adam takes a tensor only with it."""
    if way == "capturable":
        return device != "cpu" and optimizer != "SGD"
    return not (tensor and way == "foreach" and optimizer != "SGD")


CASES = [
    pytest.param(device, optimizer, way, tensor, marks=marks, id=f"{device}-{optimizer}-{way}-{kind}")
    for device, marks in (("cpu", ()), ("cuda", CUDA))
    for optimizer in OPTIMIZERS
    for way in WAYS
    for kind, tensor in (("tensor", True), ("float", False))
    if possible(device, optimizer, way, tensor)
]


@pytest.mark.parametrize(("device", "optimizer", "way", "tensor"), CASES)
def test_every_update_uses_the_committed_rate(device: str, optimizer: str, way: str, tensor: bool) -> None:
    """The rounding to float32 that a tensor holds counts as committed."""
    job = Revised()
    loop = Loop(device, optimizer, way, tensor=tensor)
    scheduler = LockstepLR(loop.optimizer, **job.options)
    loop.follow(job, scheduler, 0, STEPS)
    scheduler.close()
    rates = job.committed()
    assert loop.applied == (rounded(rates) if tensor else rates)
    job.check(rates)
    assert loop.weights() == Loop(device, optimizer, way, tensor=tensor).use(rates).weights()


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Inductor, in this process alone, and nothing of it left."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    import torch._dynamo
    import torch._inductor.config

    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    small = {"compile_threads": 1, "cpp_cache_precompile_headers": False}  # one kernel, once
    with torch._dynamo.config.patch(error_on_recompile=True), torch._inductor.config.patch(small):
        yield
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the compiler's own modules
@pytest.mark.skipif(shutil.which("g++") is None, reason="Inductor needs a C++ compiler")
@pytest.mark.parametrize(
    ("device", "backend"),
    [
        ("cpu", "aot_eager"),  # all but the code for the processor, which takes most of the time
        pytest.param("cpu", "inductor", marks=pytest.mark.long),
        pytest.param("cuda", "inductor", marks=CUDA),
    ],
)
def test_a_compiled_update_is_compiled_once(device: str, backend: str, compiler: None) -> None:
    job = Revised()
    loop = Loop(device, "AdamW", "plain")
    scheduler = LockstepLR(loop.optimizer, **job.options)
    loop.compiled(backend).follow(job, scheduler, 0, STEPS)
    scheduler.close()
    rates = job.committed()
    assert len(set(loop.applied)) > 20  # until the controller sets one
    assert loop.applied == rounded(rates)
    job.check(rates)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    assert loop.weights() == Loop(device, "AdamW", "plain").compiled(backend).use(rates).weights()


@CUDA
@pytest.mark.parametrize("optimizer", ["Adam", "AdamW"])
def test_a_captured_update_uses_the_rate_of_the_moment(optimizer: str) -> None:
    job = Revised()
    loop = Loop("cuda", optimizer, "capturable")
    scheduler = LockstepLR(loop.optimizer, **job.options)
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        loop.follow(job, scheduler, 0, 3)  # a graph is captured of what ran before
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loop.optimizer.step()
    loop.update = graph.replay
    loop.follow(job, scheduler, 3, STEPS)
    scheduler.close()
    rates = job.committed()
    assert loop.applied == rounded(rates)
    job.check(rates)
    assert loop.weights() == Loop("cuda", optimizer, "capturable").use(rates).weights()
