"""One rank of a data-parallel Paddle job that follows a run. Arguments: a folder for the results, the service."""

import json
import os
import sys
import warnings
from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import paddle

from lockstep.paddle import LockstepLR
from tests.clients.revised import STEPS, Remote


def main(folder: str, url: str) -> None:
    paddle.distributed.init_parallel_env()
    rank = paddle.distributed.get_rank()
    os.environ["RANK"] = str(rank)
    job = Remote(url)
    paddle.seed(1)
    net = paddle.DataParallel(paddle.nn.Linear(2, 1))
    scheduler = LockstepLR(**job.options)
    optimizer = paddle.optimizer.Momentum(scheduler, parameters=net.parameters())
    applied = []
    for step in range(STEPS):
        net(paddle.to_tensor([[1.0, 2.0 + rank]])).square().mean().backward()
        optimizer.step()
        applied.append(float(optimizer._global_learning_rate()))
        optimizer.clear_grad()
        job.passed(step)
        scheduler.step()
    scheduler.close()
    weights = [value for parameter in net.parameters() for value in parameter.numpy().ravel().tolist()]
    Path(folder, f"rank-{rank}.json").write_text(json.dumps({"applied": applied, "weights": weights}))


if __name__ == "__main__":
    main(*sys.argv[1:])
