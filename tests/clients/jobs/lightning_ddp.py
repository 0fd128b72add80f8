"""One rank of a Lightning job under DDP; arguments: a folder for the results, the address of the service."""

import json
import sys
from pathlib import Path

from tests.clients.revised import Remote
from tests.clients.test_lightning import Net, train


def main(folder: str, url: str) -> None:
    net = Net(Remote(url))
    trainer = train(net, Path(folder), strategy="ddp", devices=2)
    result = {"applied": net.applied, "weights": net.weights()}
    Path(folder, f"rank-{trainer.global_rank}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
