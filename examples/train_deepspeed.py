"""DeepSpeed: the callable form, here with ZeRO stage 2.

LOCKSTEP_URL=http://127.0.0.1:8000 torchrun --nproc-per-node 2 examples/train_deepspeed.py out
"""

import sys

import deepspeed
import torch
import torch.distributed as dist

from lockstep.deepspeed import scheduler

STEPS = 40
PLAN = {"tracks": {"lr": {"kind": "ramp", "start": 0.05, "end": 0.005, "steps": STEPS}}}
CONFIG = {
    "train_micro_batch_size_per_gpu": 8,
    "gradient_accumulation_steps": 2,
    "zero_optimization": {"stage": 2},
    "zero_allow_untested_optimizer": True,  # plain SGD: DeepSpeed's own Adam for the CPU wants a compiler
    "zero_force_ds_cpu_optimizer": False,
}


def main(folder: str) -> None:
    """Train, and leave a checkpoint that holds the place in the run."""
    deepspeed.init_distributed()
    net = torch.nn.Linear(8, 1)
    engine, _, _, rates = deepspeed.initialize(
        model=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.05),
        lr_scheduler=scheduler("example-deepspeed", PLAN),
        config=CONFIG,
    )
    torch.manual_seed(dist.get_rank())
    while rates.last_epoch < STEPS:
        x = torch.randn(8, 8, device=engine.device)
        loss = (engine(x) - x.sum(dim=1, keepdim=True)).square().mean()
        engine.backward(loss)
        engine.step()
    engine.save_checkpoint(folder)
    print(f"rank {dist.get_rank()}: loss {loss.item():.4f}")
    rates.close()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
