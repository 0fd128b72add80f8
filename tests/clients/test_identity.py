"""Run and rank from what launched the process."""

import sys
from types import SimpleNamespace

import pytest

from lockstep import identity
from lockstep.errors import Misused

ALL = {
    "LOCKSTEP_RUN": "mine",
    "WANDB_RUN_ID": "wandb",
    "MLFLOW_RUN_ID": "mlflow",
    "SLURM_JOB_ID": "4711",
    "TORCHELASTIC_RUN_ID": "elastic",
}


@pytest.mark.parametrize("count", range(len(ALL)))
def test_the_first_variable_that_is_set_names_the_run(count: int) -> None:
    left = dict(list(ALL.items())[count:])
    assert identity.run_name(None, left) == next(iter(left.values()))
    assert identity.run_name("given", left) == "given"


@pytest.mark.parametrize("elastic", ["", "none", "32fb579d-da96-43ac-ba22-688013c0a1dc"])
def test_a_made_up_id_of_torchrun_names_no_run(elastic: str) -> None:
    with pytest.raises(Misused, match="LOCKSTEP_RUN"):
        identity.run_name(None, {"TORCHELASTIC_RUN_ID": elastic})


@pytest.mark.parametrize(
    ("environment", "rank"),
    [
        ({}, 0),
        ({"RANK": "3", "SLURM_PROCID": "5"}, 3),
        ({"SLURM_PROCID": "5", "OMPI_COMM_WORLD_RANK": "6"}, 5),
        ({"OMPI_COMM_WORLD_RANK": "6"}, 6),
        ({"RANK": "not a rank"}, 0),
    ],
)
def test_rank(environment: dict[str, str], rank: int) -> None:
    assert identity.rank(environment) == rank


@pytest.mark.parametrize(
    ("environment", "ranks"),
    [
        ({}, 1),
        ({"WORLD_SIZE": "4"}, 4),
        ({"WORLD_SIZE": ""}, 1),
        ({"WORLD_SIZE": "many"}, 1),
        ({"WORLD_SIZE": "1", "SLURM_NTASKS": "8"}, 1),
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "2"}, 8),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, 2),
        ({"JOB_COMPLETION_INDEX": "3"}, 4),
    ],
)
def test_ranks(environment: dict[str, str], ranks: int) -> None:
    assert identity.ranks(environment) == ranks


def test_a_process_group_says_where_no_launcher_does(monkeypatch: pytest.MonkeyPatch) -> None:
    made = SimpleNamespace(
        is_available=lambda: True, is_initialized=lambda: True, get_rank=lambda: 2, get_world_size=lambda: 3
    )
    monkeypatch.setitem(sys.modules, "torch.distributed", made)
    assert identity.process_group() == (2, 3)
    made.is_initialized = lambda: False
    assert identity.process_group() == (None, None)
    monkeypatch.delitem(sys.modules, "torch.distributed")
    assert identity.process_group() == (None, None)


@pytest.mark.parametrize(
    ("environment", "again"),
    [
        ({}, False),
        ({"TORCHELASTIC_RESTART_COUNT": "0"}, False),
        ({"TORCHELASTIC_RESTART_COUNT": "2"}, True),
        ({"SLURM_RESTART_COUNT": "1"}, True),
    ],
)
def test_a_launcher_says_that_a_process_was_restarted(environment: dict[str, str], again: bool) -> None:
    assert identity.restarted(environment) is again
