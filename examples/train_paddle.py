"""PaddlePaddle: a scheduler for the optimizer.

LOCKSTEP_URL=http://127.0.0.1:8000 python examples/train_paddle.py
"""

import paddle

from lockstep.logs import Log, progress
from lockstep.paddle import LockstepLR

STEPS = 60
PLAN = {"tracks": {"lr": {"kind": "paddle.NoamDecay", "d_model": 64, "warmup_steps": 20}}}


def main() -> None:
    """Fit a linear model."""
    paddle.seed(0)
    net = paddle.nn.Linear(8, 1)
    scheduler = LockstepLR("example-paddle", PLAN)
    optimizer = paddle.optimizer.AdamW(scheduler, parameters=net.parameters())
    log = Log(progress(STEPS), every=20)
    x = paddle.randn([64, 8])
    y = x.sum(axis=1, keepdim=True)
    for step in range(STEPS):
        loss = (net(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        log(step, scheduler.reading())
        optimizer.clear_grad()
        scheduler.step()
    scheduler.close()
    print(f"loss {loss.item():.4f}")


if __name__ == "__main__":
    main()
