"""Which run and which worker this process is, from arguments or from what launched it."""

import os
import secrets
import sys
from collections.abc import Mapping

from lockstep.errors import Misused

RUN_VARIABLES = ("LOCKSTEP_RUN", "WANDB_RUN_ID", "MLFLOW_RUN_ID", "SLURM_JOB_ID", "TORCHELASTIC_RUN_ID")
RANK_VARIABLES = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "JOB_COMPLETION_INDEX")
SIZE_VARIABLES = ("WORLD_SIZE", "SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE")
RESTART_VARIABLES = ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT")


def run_name(given: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The run: the argument, else the first of `RUN_VARIABLES` that is set.

    torchrun's id counts only where the user chose it: `none` is its default, and `--standalone` makes up a random one
    for every start (a UUID), which could never find its run again.
    """
    if given:
        return given
    for variable in RUN_VARIABLES:
        value = environment.get(variable, "")
        if value and not (variable == "TORCHELASTIC_RUN_ID" and (value == "none" or _is_uuid(value))):
            return value
    raise Misused(f"Which run is this? Pass run='a-name' or set LOCKSTEP_RUN (looked at: {', '.join(RUN_VARIABLES)}).")


def rank(environment: Mapping[str, str] = os.environ) -> int:
    """The rank of this process by the launcher's environment; 0 where nothing says so."""
    for variable in RANK_VARIABLES:
        value = environment.get(variable, "")
        if value.isdigit():
            return int(value)
    return 0


def ranks(environment: Mapping[str, str] = os.environ) -> int:
    """How many processes this job has by the launcher's environment; else as many as this rank shows."""
    sizes = (environment.get(variable, "") for variable in SIZE_VARIABLES)
    return next((int(size) for size in sizes if size.isdigit()), rank(environment) + 1)


def process_group() -> tuple[int | None, int | None]:
    """Rank and number of ranks where this process has made a group with PyTorch; a job may be launched by itself."""
    dist = sys.modules.get("torch.distributed")
    made = dist is not None and dist.is_available() and dist.is_initialized()
    return (dist.get_rank(), dist.get_world_size()) if dist is not None and made else (None, None)


def worker_name(number: int) -> str:
    return f"rank-{number}"


def restarted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the launcher says that this process was started before: such a process follows the run that is there."""
    return any(environment.get(variable, "0").strip() not in ("", "0") for variable in RESTART_VARIABLES)


def new_instance() -> str:
    """A random name for this incarnation of a worker, so that a duplicate is noticed."""
    return secrets.token_hex(4)


def _is_uuid(text: str) -> bool:
    return len(text) == 36 and all(len(part) == n for part, n in zip(text.split("-"), (8, 4, 4, 4, 12), strict=False))
