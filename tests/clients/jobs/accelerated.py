"""One rank of an Accelerate loop that follows a run; arguments: a folder for the results, the service's address."""

import json
import sys
from pathlib import Path

from tests.clients.revised import STEPS, Remote
from tests.clients.test_accelerate import Loop


def main(folder: str, url: str) -> None:
    loop = Loop(Remote(url), prepared=True, accumulation=2)
    loop.train(STEPS)
    loop.scheduler.close()
    result = {"applied": loop.applied, "weights": loop.weights(), "step": loop.scheduler.last_epoch}
    Path(folder, f"rank-{loop.accelerator.process_index}.json").write_text(json.dumps(result))
    loop.accelerator.end_training()


if __name__ == "__main__":
    main(*sys.argv[1:])
