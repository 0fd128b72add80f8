"""`LockstepLR`: a real scheduler in a real optimizer."""

import copy
import gc
import io
import pickle
from typing import Any

import pytest
import torch

import lockstep.outage
import lockstep.prefetcher
from lockstep import errors
from lockstep.testing import FakeService
from lockstep.torch import LockstepLR
from tests.clients.waiting import lockstep_threads, until
from tests.clients.wrappers import SAM, Alone, Lookahead

PLAN = {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("RANK", "WORLD_SIZE", "LOCKSTEP_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(lockstep.prefetcher, "TAIL_JITTER", 0.0)
    monkeypatch.setattr(lockstep.outage, "BACKOFF_SECONDS", 0.02)


def curve(step: int) -> float:
    return 1 / (step + 3)


@pytest.fixture
def service() -> FakeService:
    return FakeService(curve, lead=64)


def net() -> torch.nn.Module:
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 1))


def sgd(model: torch.nn.Module, **arguments: Any) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), **({"lr": 0.5} | arguments))


def groups(model: torch.nn.Module) -> list[dict[str, Any]]:
    body, head = model.children()
    return [{"params": body.parameters(), "name": "body"}, {"params": head.parameters(), "name": "head"}]


def scheduler(optimizer: torch.optim.Optimizer, service: FakeService, **arguments: Any) -> LockstepLR:
    given: dict[str, Any] = {"run": "r", "plan": PLAN, "policy": "wait", "transport": service.transport}
    return LockstepLR(optimizer, **(given | arguments))


def train(model: torch.nn.Module, optimizer: torch.optim.Optimizer, schedule: LockstepLR, steps: int) -> list[float]:
    """Some updates on inputs that depend on the step alone; the rates that the updates used."""
    used = []
    for _ in range(steps):
        step = schedule.last_epoch
        inputs = torch.sin(torch.arange(8.0).reshape(2, 4) + step)
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()
        used.append(float(optimizer.param_groups[0]["lr"]))
        schedule.step()
    return used


def test_every_update_uses_the_committed_rate_and_all_are_verified(service: FakeService) -> None:
    model = net()
    optimizer = sgd(model)
    schedule = scheduler(optimizer, service)
    assert isinstance(schedule, torch.optim.lr_scheduler.LRScheduler)
    assert optimizer.param_groups[0]["lr"] == curve(0)
    used = train(model, optimizer, schedule, 40)
    first = service.runs["r"].revise({"kind": "scale", "factor": 0.5})["from_step"]
    used += train(model, optimizer, schedule, 260)
    assert schedule.reading() == (curve(300) * 0.5, "committed", 2)
    schedule.close()
    assert used == [curve(step) * (0.5 if step >= first else 1.0) for step in range(300)]
    run = service.runs["r"]
    assert (run.workers["rank-0"]["verified_until"], run.unverified) == (300, [])
    assert schedule.last_epoch == 300


def test_construction_is_not_progress_and_nobody_joins_before_the_first_update(service: FakeService) -> None:
    optimizer = sgd(net())
    schedule = scheduler(optimizer, service)
    assert schedule.last_epoch == 0
    assert service.runs["r"].workers == {}
    assert schedule.get_last_lr() == [curve(0)]
    with pytest.raises(errors.Misused, match=r"first optimizer\.step"):
        schedule.reading()
    optimizer.step()
    assert service.runs["r"].workers["rank-0"]["verified_until"] == 0
    schedule.close()
    assert service.runs["r"].workers["rank-0"]["verified_until"] == 1  # the update that was made, and no more


def test_a_run_that_starts_in_the_middle(service: FakeService) -> None:
    model = net()
    optimizer = sgd(model)
    schedule = scheduler(optimizer, service, start_step=500)
    assert schedule.last_epoch == 500
    assert train(model, optimizer, schedule, 3) == [curve(step) for step in (500, 501, 502)]
    schedule.close()


def test_tracks_go_to_the_groups_they_name() -> None:
    tracks: dict[str, Any] = {"lr": curve, "weight_decay": lambda step: step / 1000, "momentum": 0.75}
    service = FakeService(tracks, derived={"head/lr": ("lr", 10.0)})
    model = net()
    optimizer = sgd(model, momentum=0.1, weight_decay=0.1)
    optimizer = torch.optim.SGD(groups(model), lr=0.1, momentum=0.1, weight_decay=0.1)
    schedule = scheduler(optimizer, service)
    for step in range(100):
        optimizer.step()
        body, head = optimizer.param_groups
        assert (body["lr"], body["momentum"], body["weight_decay"]) == (curve(step), 0.75, step / 1000)
        assert (head["lr"], head["momentum"], head["weight_decay"]) == (curve(step) * 10.0, 0.75, step / 1000)
        schedule.step()
    assert schedule.reading("head/lr").value == curve(100) * 10.0
    schedule.close()
    assert service.runs["r"].unverified == []
    assert service.runs["r"].workers["rank-0"]["verified_until"] == 100


def test_a_group_may_be_named_by_its_index() -> None:
    service = FakeService({"lr": 0.5, "1/lr": 0.25})
    model = net()
    optimizer = torch.optim.SGD([{"params": child.parameters()} for child in model.children()], lr=0.1)
    schedule = scheduler(optimizer, service)
    optimizer.step()
    assert schedule.get_last_lr() == [0.5, 0.25]
    schedule.close()


@pytest.mark.parametrize("track", ["momentum", "beta1"])
def test_adam_s_betas(track: str) -> None:
    service = FakeService({"lr": curve, track: lambda step: 0.5 + step / 1000, "beta2": 0.97})
    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, betas=(0.9, 0.999))
    schedule = scheduler(optimizer, service)
    for step in range(70):
        optimizer.step()
        assert optimizer.param_groups[0]["betas"] == (0.5 + step / 1000, 0.97)
        schedule.step()
    schedule.close()
    assert service.runs["r"].unverified == []


def test_a_tensor_rate_is_filled_in_place(service: FakeService) -> None:
    model = net()
    rate = torch.tensor(0.5)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, capturable=False, foreach=False)
    schedule = scheduler(optimizer, service)
    held = optimizer.param_groups[0]["lr"]
    for step in range(100):
        optimizer.step()
        assert optimizer.param_groups[0]["lr"] is held
        assert held.item() == torch.tensor(curve(step)).item()
        schedule.step()
    last = schedule.get_last_lr()[0]
    assert isinstance(last, torch.Tensor)
    assert last is not held
    schedule.close()
    assert service.runs["r"].unverified == []  # float32 holds the committed value's rounding: that counts
    assert service.runs["r"].workers["rank-0"]["verified_until"] == 100


@pytest.mark.parametrize("group", [0, 1])
@pytest.mark.parametrize("as_tensor", [False, True])
@pytest.mark.parametrize("derived", [{}, {"head/lr": ("lr", 2.0)}])
def test_a_rate_that_something_else_overwrites_is_noticed(
    group: int, as_tensor: bool, derived: dict[str, tuple[str, float]], caplog: pytest.LogCaptureFixture
) -> None:
    service = FakeService(curve, derived=derived, lead=64)
    rates = [{"lr": torch.tensor(0.5) if as_tensor else 0.5} for _ in range(2)]
    optimizer = torch.optim.SGD([given | rate for given, rate in zip(groups(net()), rates, strict=True)], lr=0.5)
    schedule = scheduler(optimizer, service)
    for step in range(100):
        if step == 50:
            rate = optimizer.param_groups[group]["lr"]
            optimizer.param_groups[group]["lr"] = rate.fill_(9.0) if as_tensor else 9.0
        optimizer.step()
        schedule.step()
    schedule.close()
    marked = service.runs["r"].unverified
    assert len(marked) == 1
    assert marked[0][0] <= 50 < marked[0][1]
    track = "head/lr" if derived and group == 1 else "lr"
    assert f"Update 50 used {track} = 9.0" in caplog.text


def test_a_group_that_is_added_later_gets_the_rate_too(service: FakeService) -> None:
    model = net()
    body, head = model.children()
    optimizer = torch.optim.SGD(body.parameters(), lr=0.5)
    schedule = scheduler(optimizer, service)
    for step in range(100):
        if step == 30:
            optimizer.add_param_group({"params": head.parameters()})
        optimizer.step()
        schedule.step()
    assert schedule.get_last_lr() == [curve(100)] * 2
    schedule.close()


@pytest.mark.parametrize("tracks", [{"lr": curve}, {"lr": curve, "momentum": 0.5}], ids=["one track", "two tracks"])
@pytest.mark.parametrize("after", ["update", "step"])
@pytest.mark.parametrize("at", [0, 30])
def test_an_added_group_has_the_rate_at_its_first_update(
    tracks: dict[str, Any], after: str, at: int, caplog: pytest.LogCaptureFixture
) -> None:
    body, head = net().children()
    optimizer = torch.optim.SGD(body.parameters(), lr=0.5, momentum=0.9)
    service = FakeService(tracks, lead=64)
    schedule = scheduler(optimizer, service)
    used = []
    for step in range(at + 20):
        if step == at and after == "step":
            optimizer.add_param_group({"params": head.parameters(), "lr": 0.25})
        optimizer.step()
        used.append([group["lr"] for group in optimizer.param_groups])
        if step == at and after == "update":
            optimizer.add_param_group({"params": head.parameters(), "lr": 0.25})
        schedule.step()
    first = at if after == "step" else at + 1
    assert used == [[curve(step)] * (2 if step >= first else 1) for step in range(at + 20)]
    assert caplog.text.count("come with lr 0.25, 0.5 of their own, and all follow the track lr from here on") == 1
    assert "which is not the run's value" not in caplog.text
    schedule.close()
    assert service.runs["r"].unverified == []


def test_a_track_may_be_that_of_a_group_that_comes_later(caplog: pytest.LogCaptureFixture) -> None:
    body, head = net().children()
    optimizer = torch.optim.SGD(body.parameters(), lr=0.5)
    schedule = scheduler(optimizer, FakeService({"lr": curve, "1/lr": 0.125}), later=["1/lr"])
    for step in range(40):
        if step == 20:
            optimizer.add_param_group({"params": head.parameters()})
        optimizer.step()
        assert [group["lr"] for group in optimizer.param_groups] == [curve(step), 0.125][: 1 + (step >= 20)]
        schedule.step()
    assert caplog.text == ""
    schedule.close()


def test_an_added_group_without_numbers_of_its_own_is_nothing_to_speak_of(
    service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    body, head = net().children()
    optimizer = torch.optim.SGD(body.parameters(), lr=0.5)
    schedule = scheduler(optimizer, service)
    optimizer.step()
    optimizer.add_param_group({"params": head.parameters()})
    assert [group["lr"] for group in optimizer.param_groups] == [curve(0)] * 2
    schedule.close()
    optimizer.add_param_group({"params": net().parameters()})  # nobody follows any more
    assert caplog.text == ""


def test_groups_that_one_track_flattens_are_named_with_their_numbers(caplog: pytest.LogCaptureFixture) -> None:
    derived = {"head/lr": ("lr", 10.0)}
    own = [group | numbers for group, numbers in zip(groups(net()), ({"lr": 1e-5}, {"lr": 1e-3}), strict=True)]
    own[1]["weight_decay"] = 0.5
    schedule = scheduler(torch.optim.SGD(own, lr=0.1), FakeService({"lr": curve, "weight_decay": 0.1}))
    assert [record.message.split(",")[0] for record in caplog.records] == [
        "Parameter groups come with lr 1e-05",
        "Parameter groups come with weight_decay 0.0",
    ]
    schedule.close()
    caplog.clear()
    scheduler(torch.optim.SGD(own, lr=0.1), FakeService(curve, derived=derived)).close()
    assert caplog.text == ""


@pytest.mark.parametrize("tensor", [False, True])
def test_a_relative_track_keeps_the_ratios_that_the_groups_came_with(
    tensor: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """As torch's schedulers do: each group's rate is its own first one times the factor."""
    derived, plan = {"head/lr": ("lr", 3.0)}, PLAN | {"relative": ["lr"]}
    service = FakeService({"lr": curve, "weight_decay": 0.25}, derived=derived, relative=["lr"], lead=16)
    came = [1e-5, 1e-3, 0.1]
    firsts: list[float] = torch.tensor(came).tolist() if tensor else came

    def made() -> torch.optim.Optimizer:
        layers = [torch.nn.Linear(2, 1) for _ in came]
        own: list[dict[str, Any]] = [
            {"params": layer.parameters(), "lr": torch.tensor(rate) if tensor else rate}
            for layer, rate in zip(layers, came, strict=True)
        ]
        own[2]["name"] = "head"
        return torch.optim.SGD(own, lr=1.0, weight_decay=0.5)

    def train(optimizer: torch.optim.Optimizer, schedule: LockstepLR, steps: range) -> None:
        for step in steps:
            optimizer.step()
            used = [float(group["lr"]) for group in optimizer.param_groups]
            factors = [curve(step), curve(step), 3.0 * curve(step)]
            right = [first * factor for first, factor in zip(firsts, factors, strict=True)]
            assert used == (torch.tensor(right, dtype=torch.float32).tolist() if tensor else right)
            schedule.step()

    optimizer = made()
    schedule = scheduler(optimizer, service, plan=plan)
    train(optimizer, schedule, range(50))
    saved = schedule.state_dict()
    schedule.close()
    optimizer = made()
    again = scheduler(optimizer, service, plan=plan)
    again.load_state_dict(saved)
    train(optimizer, again, range(50, 100))
    assert caplog.text == ""
    other = scheduler(sgd(net()), FakeService(curve, relative=["lr"]), plan=plan)
    other.load_state_dict(saved | {"firsts": {"0/lr": 0.25}})
    assert "group 0/lr came with 0.5 here and with 0.25 when the run began: that one is kept" in caplog.text
    assert other.get_last_lr() == [0.25 * curve(50)]
    other.close()
    optimizer.param_groups[1]["lr"] = 7.0
    optimizer.step()
    again.step()
    again.close()
    ((start, stop),) = service.runs["r"].unverified
    assert (start <= 100 < stop, service.runs["r"].unverified_reasons[0]["reason"]) == (True, "mismatch")


@pytest.mark.parametrize("tracks", [{"lr": curve}, {"lr": curve, "momentum": 0.5}], ids=["one track", "two tracks"])
@pytest.mark.parametrize("rate", [None, 7.0])
def test_a_group_that_is_replaced_is_followed_on(
    tracks: dict[str, Any], rate: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    service = FakeService(tracks, lead=64)
    optimizer = sgd(net(), momentum=0.9)
    schedule = scheduler(optimizer, service)
    used = []
    for step in range(100):
        if step == 50:
            optimizer.param_groups[0] = dict(optimizer.param_groups[0]) | ({} if rate is None else {"lr": rate})
        optimizer.step()
        used.append(optimizer.param_groups[0]["lr"])
        schedule.step()
    schedule.close()
    assert used == [7.0 if rate is not None and step == 50 else curve(step) for step in range(100)]
    marked = service.runs["r"].unverified
    if rate is None:
        assert marked == []
    else:
        assert all(start <= 50 < stop for start, stop in marked)
        assert len(marked) == 1
    assert caplog.text.count("Update 50 used lr = 7.0") == (0 if rate is None else 1)


def test_tracks_that_no_group_takes_are_named(service: FakeService, caplog: pytest.LogCaptureFixture) -> None:
    odd = FakeService({"lr": 0.1, "haed/lr": 0.2})
    optimizer = torch.optim.SGD(groups(net()), lr=0.1)
    with pytest.raises(errors.Misused, match=r"takes haed/lr; the groups are body, head"):
        scheduler(optimizer, odd)
    with pytest.raises(errors.Misused, match=r"takes 1/lr; the groups are 0\. .* are named by `later`"):
        scheduler(sgd(net()), FakeService({"lr": 0.1, "1/lr": 0.2}))
    unknown = FakeService({"lr": 0.1, "ema_decay": 0.99})
    schedule = scheduler(sgd(net()), unknown)
    schedule.optimizer.step()
    assert caplog.text.count("No parameter group takes ema_decay") == 1
    schedule.close()
    with pytest.raises(errors.Misused, match="None of the tracks rate is in"):
        scheduler(sgd(net()), FakeService({"rate": 0.1}))


# Checkpoints


def checkpoint(model: torch.nn.Module, optimizer: torch.optim.Optimizer, schedule: LockstepLR) -> dict[str, Any]:
    file = io.BytesIO()
    parts = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": schedule.state_dict()}
    torch.save(parts, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


def weights(model: torch.nn.Module) -> list[float]:
    flat: list[float] = torch.cat([p.detach().flatten() for p in model.parameters()]).tolist()
    return flat


@pytest.mark.parametrize("away", [False, True], ids=["service there", "service away"])
@pytest.mark.parametrize("at", [1, 50, 120])
def test_a_resumed_job_continues_bit_for_bit(service: FakeService, away: bool, at: int) -> None:
    model = net()
    optimizer = sgd(model, momentum=0.9)
    schedule = scheduler(optimizer, service)
    train(model, optimizer, schedule, at)
    saved = checkpoint(model, optimizer, schedule)
    ahead = saved["scheduler"]["windows"][-1]["stop"] - at
    whole = train(model, optimizer, schedule, 20 if away else 100)
    schedule.close()
    end = weights(model)

    service.down = away
    model = net()
    optimizer = sgd(model, momentum=0.9)
    again = scheduler(optimizer, service, policy="raise", start_seconds=0.1)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    again.load_state_dict(saved["scheduler"])
    assert again.last_epoch == at
    assert again.get_last_lr() == [curve(at)]
    steps = min(20, ahead) if away else 100
    assert train(model, optimizer, again, steps) == whole[:steps] == [curve(s) for s in range(at, at + steps)]
    if steps == len(whole):
        assert weights(model) == end
    service.down = False
    again.close()
    run = service.runs["r"]
    assert [start for start, _ in run.unverified if start >= at] == []


def test_a_state_is_plain_and_small_before_the_run_is_joined(service: FakeService) -> None:
    schedule = scheduler(sgd(net()), service)
    state = schedule.state_dict()
    assert state == {"run": "r", "uid": None, "attempt": None, "step": 0, "windows": (), "outage": None}
    schedule.load_state_dict(state)
    schedule.close()


def test_a_state_of_another_run_or_kind_is_refused(service: FakeService) -> None:
    schedule = scheduler(sgd(net()), service)
    with pytest.raises(errors.Misused, match="belongs to run 'other'"):
        schedule.load_state_dict(schedule.state_dict() | {"run": "other"})
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(sgd(net()), 10)
    with pytest.raises(errors.Misused, match=r"not the state of a Lockstep scheduler .* with start_step=0 \(docs"):
        schedule.load_state_dict(cosine.state_dict())
    schedule.close()


def lives(service: FakeService, make: Any, at: int, **settings: Any) -> LockstepLR:
    """A job that ends at step `at`, and the scheduler of the next life, which has the optimizer's state alone."""
    model = net()
    optimizer = make(model.parameters(), lr=0.5)
    schedule = scheduler(optimizer, service)
    train(model, optimizer, schedule, at)
    saved = optimizer.state_dict()
    schedule.close()
    optimizer = make(model.parameters(), lr=0.5)
    optimizer.load_state_dict(saved)
    schedule = scheduler(optimizer, service, **settings)
    optimizer.step()
    return schedule


@pytest.mark.parametrize(
    ("make", "made"), [(torch.optim.SGD, "keeps no count of its updates"), (torch.optim.AdamW, "has made 40 updates")]
)
def test_a_checkpoint_without_the_scheduler_is_spoken_of(
    make: Any, made: str, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    """PyTorch's own tutorial saves none."""
    schedule = lives(service, make, 40)
    assert (schedule.last_epoch, schedule.get_last_lr()) == (0, [curve(0)])
    known = f"the run knows this worker at step 40, and the optimizer {made}"
    assert caplog.text.count(f"Run r begins at step 0 again, without a scheduler's state: {known}") == 1
    schedule.close()


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.AdamW])
def test_it_goes_on_where_it_was_if_it_is_told_to(
    make: Any, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    schedule = lives(service, make, 40, resume="auto")
    assert (schedule.last_epoch, schedule.get_last_lr(), caplog.text) == (40, [curve(40)], "")
    schedule.close()
    assert service.runs["r"].unverified == []


def test_counts_that_do_not_agree_are_refused(service: FakeService) -> None:
    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.5)
    for _ in range(3):
        train(model, optimizer, schedule := scheduler(optimizer, service), 5)
        schedule.close()
    again = scheduler(optimizer, service, resume="auto")
    with pytest.raises(errors.Misused, match="at step 5, and the optimizer has made 15 updates, which do not agree"):
        optimizer.step()
    again.close()
    with pytest.raises(errors.Misused, match="`resume` is 'auto', or nothing"):
        scheduler(optimizer, service, resume={"step": 3})


def test_a_checkpoint_of_a_run_that_was_replaced_is_refused(service: FakeService) -> None:
    model = net()
    optimizer = sgd(model)
    schedule = scheduler(optimizer, service)
    train(model, optimizer, schedule, 10)
    state = schedule.state_dict()
    schedule.close()
    service.create("r", PLAN)
    schedule = scheduler(optimizer, service)
    schedule.load_state_dict(state)
    with pytest.raises(errors.RunReplaced):
        optimizer.step()
    schedule.close()


def test_after_a_rewind_the_job_loads_its_checkpoint_and_goes_on_in_the_new_attempt(service: FakeService) -> None:
    model = net()
    optimizer = sgd(model)
    schedule = scheduler(optimizer, service)
    train(model, optimizer, schedule, 30)
    saved = checkpoint(model, optimizer, schedule)
    train(model, optimizer, schedule, 10)
    service.runs["r"].rewind(35, {"kind": "scale", "factor": 0.1})
    with pytest.raises(errors.AttemptSuperseded, match="rewound to step 35"):
        train(model, optimizer, schedule, 1000)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    schedule.load_state_dict(saved["scheduler"])
    used = train(model, optimizer, schedule, 60)
    assert used == [curve(s) * (0.1 if s >= 35 else 1.0) for s in range(30, 90)]
    schedule.rejoin(31)
    assert train(model, optimizer, schedule, 2) == [curve(31), curve(32)]
    schedule.close()
    run = service.runs["r"]
    assert run.workers["rank-0"]["attempt"] == 2
    assert run.unverified == []


def test_a_checkpoint_beyond_the_rewind_is_refused(service: FakeService) -> None:
    model = net()
    optimizer = sgd(model)
    schedule = scheduler(optimizer, service)
    train(model, optimizer, schedule, 50)
    state = schedule.state_dict()
    schedule.close()
    service.runs["r"].rewind(40)
    service.runs["r"].rewind(35)
    optimizer = sgd(model)
    schedule = scheduler(optimizer, service)
    schedule.load_state_dict(state)
    with pytest.raises(errors.AttemptSuperseded, match="rewound to step"):
        optimizer.step()
    schedule.close()
    assert "rank-0" not in service.runs["r"].workers


def test_a_checkpoint_below_every_rewind_goes_on_in_the_newest_attempt(service: FakeService) -> None:
    model = net()
    optimizer = sgd(model)
    schedule = scheduler(optimizer, service)
    train(model, optimizer, schedule, 30)
    state = schedule.state_dict()
    schedule.close()
    service.runs["r"].rewind(40)
    service.runs["r"].rewind(35, {"kind": "scale", "factor": 0.5})
    optimizer = sgd(model)
    schedule = scheduler(optimizer, service)
    schedule.load_state_dict(state)
    assert train(model, optimizer, schedule, 10) == [curve(s) * (0.5 if s >= 35 else 1.0) for s in range(30, 40)]
    schedule.close()
    assert service.runs["r"].workers["rank-0"]["attempt"] == 3


def test_an_optimizer_without_hooks_joins_at_once(service: FakeService) -> None:
    class Wrapper(torch.optim.Optimizer):
        def __init__(self, inner: torch.optim.Optimizer) -> None:
            self.param_groups = inner.param_groups
            self.update = inner.step

        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            self.update(closure)

    schedule = scheduler(Wrapper(sgd(net())), service)
    assert schedule.reading() == (curve(0), "committed", 1)
    schedule.close()


@pytest.mark.parametrize("copying", ["deepcopy", "pickle", "torch.save"])
def test_a_scheduler_can_be_copied_and_saved_whole(service: FakeService, copying: str) -> None:
    model = net()
    optimizer = sgd(model)
    schedule = scheduler(optimizer, service)
    train(model, optimizer, schedule, 10)
    if copying == "deepcopy":
        other = copy.deepcopy(schedule)
    elif copying == "pickle":
        other = pickle.loads(pickle.dumps(schedule))
    else:
        file = io.BytesIO()
        torch.save(schedule, file)
        file.seek(0)
        other = torch.load(file, weights_only=False)
    assert other.last_epoch == 10
    assert other.optimizer is not optimizer
    assert other.state_dict()["step"] == 10
    with pytest.raises(errors.Misused, match="construct a LockstepLR"):
        other.step()
    train(model, optimizer, schedule, 10)
    schedule.close()


# What frameworks do with schedulers


def test_no_framework_takes_it_for_a_factory_and_no_type_error_leaves_step(service: FakeService) -> None:
    schedule = scheduler(sgd(net()), service)
    assert not callable(schedule)
    with pytest.raises(errors.Misused, match="without an epoch"):
        schedule.step(3)
    schedule.optimizer.step()
    schedule.step()
    schedule.close()
    while schedule.last_epoch < 63:
        schedule.step()
    with pytest.raises(errors.Misused, match="closed"):
        schedule.step()


class Scaler:
    """As much of a GradScaler as a scheduler sees: it lowers its scale after an update that it skipped."""

    def __init__(self) -> None:
        self.scale = 1024.0

    def get_scale(self) -> float:
        return self.scale


def test_an_update_that_the_scaler_skips_does_not_count(service: FakeService) -> None:
    model = net()
    optimizer, scaler = sgd(model), Scaler()
    schedule = scheduler(optimizer, service, scaler=scaler)
    counts = []
    for step in range(100):
        if step % 10 == 3:
            scaler.scale /= 2
        else:
            optimizer.step()
            scaler.scale *= 1.0 if step % 7 else 2.0
        schedule.step()
        counts.append(schedule.last_epoch)
    assert counts[-1] == 90
    assert schedule.get_last_lr() == [curve(90)]
    schedule.close()
    assert service.runs["r"].workers["rank-0"]["verified_until"] == 90


def test_a_real_scaler(service: FakeService) -> None:
    model = net()
    optimizer, scaler = sgd(model), torch.amp.GradScaler("cpu", init_scale=4.0)
    schedule = scheduler(optimizer, service, scaler=scaler)
    for step in range(20):
        optimizer.zero_grad()
        loss = model(torch.ones(2, 4)).sum() * (float("inf") if step == 5 else 1.0)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
    assert schedule.last_epoch == 19
    schedule.close()


def test_a_scaler_that_gets_its_state_later_has_skipped_nothing(service: FakeService) -> None:
    optimizer, scaler = sgd(net()), Scaler()
    schedule = scheduler(optimizer, service, scaler=scaler)
    scaler.scale = 8.0  # a checkpoint's
    used = []
    for _ in range(3):
        optimizer.step()
        used.append(optimizer.param_groups[0]["lr"])
        schedule.step()
    assert used == [curve(step) for step in range(3)]
    schedule.close()


def test_one_scaler_for_two_optimizers_skips_the_updates_of_one(service: FakeService) -> None:
    """PyTorch's own recipe: an infinity in one of them lowers the scale for both."""
    models = [net(), net()]
    optimizers, scaler = [sgd(model) for model in models], torch.amp.GradScaler("cpu", init_scale=4.0)
    schedules = [scheduler(each, service, run=name, scaler=scaler) for each, name in zip(optimizers, "dg", strict=True)]
    for step in range(20):
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            loss = model(torch.ones(2, 4)).sum() * (float("inf") if model is models[0] and step % 4 == 1 else 1.0)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
        scaler.update()
        for schedule in schedules:
            schedule.step()
    assert [schedule.last_epoch for schedule in schedules] == [15, 20]
    assert [schedule.get_last_lr() for schedule in schedules] == [[curve(15)], [curve(20)]]
    for schedule in schedules:
        schedule.close()


def test_a_fused_update_that_a_scaler_skips_from_inside_does_not_count(service: FakeService) -> None:
    model = net()
    optimizer, scaler = torch.optim.AdamW(model.parameters(), lr=0.5, fused=True), torch.amp.GradScaler("cpu")
    schedule = scheduler(optimizer, service, scaler=scaler)
    for step in range(6):
        before = weights(model)
        optimizer.zero_grad()
        loss = model(torch.ones(2, 4)).sum() * (float("inf") if step in (0, 3) else 1.0)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        assert (weights(model) == before) == (step in (0, 3))
    assert (schedule.last_epoch, schedule.get_last_lr()) == (4, [curve(4)])
    schedule.close()


def test_a_scaler_where_no_update_can_be_seen_is_refused(service: FakeService) -> None:
    with pytest.raises(errors.Misused, match=r"Alone makes its updates where PyTorch runs no hooks.*without `scaler`"):
        scheduler(Alone(sgd(net()).param_groups), service, scaler=Scaler())


@pytest.mark.parametrize("wrapped", [Lookahead, SAM, lambda inner: Alone(inner.param_groups)])
def test_a_wrapped_optimizer_joins_and_joins_again_with_the_rate_of_the_step(
    wrapped: Any, service: FakeService
) -> None:
    inner = sgd(net())
    optimizer = wrapped(inner)
    update = inner.step if wrapped is SAM else optimizer.step  # SAM's second half makes it

    def used(steps: int) -> list[float]:
        rates = []
        for _ in range(steps):
            for weight in inner.param_groups[0]["params"]:
                weight.grad = torch.ones_like(weight)
            update()
            rates.append(optimizer.param_groups[0]["lr"])
            schedule.step()
        return rates

    schedule = scheduler(optimizer, service)
    assert used(30) == [curve(step) for step in range(30)]
    schedule.rejoin(12)
    assert used(20) == [curve(step) for step in range(12, 32)]
    saved = schedule.state_dict()
    schedule.close()
    schedule = scheduler(optimizer, service)
    schedule.load_state_dict(saved)
    assert used(3) == [curve(32), curve(33), curve(34)]
    schedule.close()
    reasons = {why["reason"] for why in service.runs["r"].unverified_reasons if why["stop"] > 12}
    if isinstance(optimizer, Alone):  # which joins where it is constructed, and moves from there
        assert "uncounted" in reasons
    else:
        assert reasons == set()  # below, rejoin() may leave some unreported


# What a step is


@pytest.mark.parametrize(
    ("loop", "first"),
    [("su", 0), ("u" * 10 + "s", 1), ("uss", 1), ("u", 1)],
    ids=["step() before the update", "once per epoch", "twice per update", "forgotten"],
)
@pytest.mark.parametrize("tensor", [False, True])
def test_updates_that_are_not_one_for_each_step_are_not_verified(
    loop: str, first: int, tensor: bool, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    optimizer = sgd(net(), lr=torch.tensor(0.5) if tensor else 0.5)
    schedule, used = scheduler(optimizer, service), []
    for letter in loop * 40:
        if letter == "u":
            optimizer.step()
            used.append(float(optimizer.param_groups[0]["lr"]))
        else:
            schedule.step()
        if len(used) == 40:
            break
    schedule.close()
    run = service.runs["r"]
    assert {(why["worker"], why["reason"]) for why in run.unverified_reasons} == {("rank-0", "miscounted")}
    assert run.unverified[0][0] == first
    right = [torch.tensor(curve(step)).item() if tensor else curve(step) for step in range(run.horizon)]
    wrong = [step for step, (rate, committed) in enumerate(zip(used, right, strict=False)) if rate != committed]
    assert wrong
    assert all(any(start <= step < stop for start, stop in run.unverified) for step in wrong)
    assert caplog.text.count(f"Run r is miscounted from step {first} on: ") == 1


@pytest.mark.parametrize(
    "said", [{"updates_per_step": 4}, {"updates_per_step": "any"}, {"plan": PLAN | {"steps_per_epoch": 1}}]
)
def test_a_loop_that_says_how_many_updates_a_step_takes_is_right(
    said: dict[str, Any], service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    optimizer = sgd(net())
    schedule = scheduler(optimizer, service, **said)
    for step in range(30):
        for _ in range(4 if "updates_per_step" in said else 1 + step % 7):
            optimizer.step()
            assert optimizer.param_groups[0]["lr"] == curve(step)
        schedule.step()
    schedule.close()
    run = service.runs["r"]
    assert (run.unverified, run.workers["rank-0"]["verified_until"], caplog.text) == ([], 30, "")


def test_a_step_that_has_no_value_is_asked_for_again_after_the_same_update(service: FakeService) -> None:
    optimizer = sgd(net())
    schedule, refused = scheduler(optimizer, service, policy="raise"), 0
    for step in range(200):
        optimizer.step()
        if step == 50:
            service.down = True
        while True:
            try:
                schedule.step()
                break
            except errors.NoValue:
                refused, service.down = refused + 1, False
    schedule.close()
    assert refused
    assert (schedule.last_epoch, service.runs["r"].unverified) == (200, [])


def test_where_nobody_can_count_it_says_so(service: FakeService, caplog: pytest.LogCaptureFixture) -> None:
    inner = sgd(net())
    for weight in inner.param_groups[0]["params"]:
        weight.grad = torch.ones_like(weight)
    alone = Alone(inner.param_groups)
    schedule = scheduler(alone, service)
    for step in range(20):
        assert alone.param_groups[0]["lr"] == curve(step)
        alone.step()
        schedule.step()
    schedule.close()
    why = {"start": 0, "stop": service.runs["r"].horizon, "worker": "rank-0", "reason": "uncounted"}
    assert (service.runs["r"].unverified_reasons, caplog.text) == ([why], "")


def test_the_update_after_the_last_step_is_reported_and_nobody_counts_for_a_scheduler_that_is_gone(
    service: FakeService,
) -> None:
    optimizer = sgd(net())
    schedule = scheduler(optimizer, service)
    for step in range(10):
        optimizer.step()
        if step < 9:
            schedule.step()
    assert len(optimizer._optimizer_step_post_hooks) == 1
    del schedule
    gc.collect()
    until(lambda: service.runs["r"].workers["rank-0"]["state"] == "left" and not lockstep_threads())
    assert service.runs["r"].workers["rank-0"]["verified_until"] == 10
    assert len(optimizer._optimizer_step_post_hooks) == 0


@pytest.mark.parametrize(
    ("settings", "divides"),
    [
        ({"lr": torch.tensor(0.5), "foreach": False}, True),
        ({"lr": torch.tensor(0.5), "fused": True}, False),
        ({"lr": 0.5, "capturable": True, "foreach": False}, True),
        ({"lr": 0.5, "capturable": True, "foreach": True}, False),
        ({"lr": 0.5}, False),
    ],
)
@pytest.mark.parametrize("at", [0, 100])
def test_a_rate_of_0_that_would_write_nan_is_warned_of_once_or_refused(
    settings: dict[str, Any], divides: bool, at: int, caplog: pytest.LogCaptureFixture
) -> None:
    service = FakeService(lambda step: 0.0 if step == at else 0.5, lead=32)

    def run(**refuse: bool) -> None:
        optimizer = torch.optim.AdamW(net().parameters(), **settings)
        schedule = scheduler(optimizer, service, **refuse)
        for _ in range(120):
            optimizer.step()  # of no gradient: what a captured or compiled update does is PyTorch's matter
            schedule.step()
        schedule.close()

    run()
    assert caplog.text.count(f"The rate lr is exactly 0 at step {at}") == divides
    if divides:
        with pytest.raises(errors.Misused, match="Start a little above 0"):
            run(refuse_zero=True)


@pytest.mark.parametrize("own", [{"d": 1e-6}, {"weight_sum": 0.0}])
def test_an_optimizer_that_scales_its_rate_inside_says_so(own: dict[str, float], service: FakeService) -> None:
    optimizer = sgd(net())
    optimizer.param_groups[0] |= own
    schedule = scheduler(optimizer, service)
    train(net(), optimizer, schedule, 20)
    schedule.close()
    why = {"start": 0, "stop": 20, "worker": "rank-0", "reason": "scaled-inside"}
    assert service.runs["r"].unverified_reasons == [why]


# Outages and ends


def test_an_outage_is_bridged(service: FakeService) -> None:
    model = net()
    optimizer = sgd(model)
    schedule = scheduler(optimizer, service, policy="freeze")
    used = train(model, optimizer, schedule, 10)
    service.down = True
    used += train(model, optimizer, schedule, 150)
    assert schedule.reading().reason == "freeze"
    service.down = False
    while schedule.reading().reason != "committed":
        used += train(model, optimizer, schedule, 1)
    schedule.close()
    run = service.runs["r"]
    assert [run.value(step) for step in range(len(used))] == used
    assert run.unverified == []


def test_a_checkpoint_made_during_an_outage_is_made_true_by_the_next_life(service: FakeService) -> None:
    model = net()
    optimizer = sgd(model)
    schedule = scheduler(optimizer, service, policy="freeze")
    used = train(model, optimizer, schedule, 10)
    service.down = True
    used += train(model, optimizer, schedule, 150)
    saved = checkpoint(model, optimizer, schedule)
    schedule.close()
    service.down = False
    assert service.runs["r"].horizon < 160
    optimizer = sgd(model)
    schedule = scheduler(optimizer, service, policy="freeze")
    schedule.load_state_dict(saved["scheduler"])
    used += train(model, optimizer, schedule, 50)
    schedule.close()
    run = service.runs["r"]
    assert [run.value(step) for step in range(len(used))] == used


def test_without_a_service_the_first_update_fails_and_says_what_to_check(service: FakeService) -> None:
    service.down = True
    optimizer = sgd(net())
    schedule = scheduler(optimizer, service, start_seconds=0.1)
    with pytest.raises(errors.NoValue, match="Check that the service is running"):
        optimizer.step()
    schedule.close()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"run": "unknown", "plan": None}, errors.UnknownRun),
        ({"plan": {"tracks": {}}}, errors.RunExists),
        ({"agreement": "hope"}, errors.Misused),
        ({"policy": "hope"}, errors.Misused),
    ],
)
def test_a_start_that_cannot_work_fails_at_once(
    service: FakeService, arguments: dict[str, Any], error: type[Exception]
) -> None:
    service.create("r", PLAN)
    with pytest.raises(error):
        scheduler(sgd(net()), service, **arguments)


def test_a_scheduler_that_nobody_holds_ends_its_thread(service: FakeService) -> None:
    optimizer = sgd(net())
    schedule = scheduler(optimizer, service)
    optimizer.step()
    assert len(lockstep_threads()) == 1
    del schedule
    gc.collect()
    until(lambda: not lockstep_threads())
    optimizer.step()
