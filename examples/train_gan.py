"""A GAN: one scheduler over two optimizers, of which the critic's makes several updates for each of the generator's.

LOCKSTEP_URL=http://127.0.0.1:8000 python examples/train_gan.py
"""

import torch

from lockstep.torch import LockstepLR  # Lockstep

STEPS, CRITICS = 60, 5
PLAN = {
    "tracks": {
        "generator/lr": {"kind": "ramp", "start": 1e-2, "end": 1e-4, "steps": STEPS},
        "critic/lr": {"kind": "constant", "value": 5e-3},
    }
}


def main() -> None:
    """Learn to draw from a normal distribution around 3."""
    torch.manual_seed(0)
    generator, critic = torch.nn.Linear(4, 1), torch.nn.Linear(1, 1)
    optimizers = {
        "generator": torch.optim.RMSprop(generator.parameters(), lr=1e-2),
        "critic": torch.optim.RMSprop(critic.parameters(), lr=5e-3),
    }
    scheduler = LockstepLR(optimizers, "example-gan", PLAN, clock="generator")  # Lockstep
    for _ in range(STEPS):
        for _ in range(CRITICS):
            optimizers["critic"].zero_grad()
            real, fake = torch.randn(32, 1) + 3.0, generator(torch.randn(32, 4)).detach()
            (critic(fake).mean() - critic(real).mean()).backward()
            optimizers["critic"].step()
            with torch.no_grad():
                for weight in critic.parameters():
                    weight.clamp_(-0.1, 0.1)
        optimizers["generator"].zero_grad()
        (-critic(generator(torch.randn(32, 4))).mean()).backward()
        optimizers["generator"].step()
        scheduler.step()  # Lockstep
    print(f"mean {generator(torch.randn(1000, 4)).mean().item():.2f}")


if __name__ == "__main__":
    main()
