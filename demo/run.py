"""The demo's story: start everything, change the schedule while it runs, and check at the end that all ranks agreed."""

import shutil
import signal
import sys
import time
from pathlib import Path

from demo.stage import Failure, Job, Screen, Service
from demo.verify import Switch, count_verified, largest_difference, read_used, switches
from lockstep import Client

RUN = "digits"  # as in demo/train.py
RANKS = 4
STEP_SECONDS = 0.015  # a step of this small network takes 2 ms; real ones take longer, so the demo's do too
START_SECONDS = 1.5  # of the service on an idle machine; on a slower or busier one the demo's steps are longer
FOLDER = Path("demo-output")


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    print(f"Lockstep demo: {RANKS} ranks train on handwritten digits, and the schedule changes while they run.")
    print("It takes about a minute, and ends with what every optimizer used beside what was promised.\n", flush=True)
    screen = Screen()
    service = Service(FOLDER.resolve())
    job = None
    try:
        began = time.monotonic()
        service.start()
        screen.say(f"service on {service.url}, data in {FOLDER}/lockstep.db")
        step_seconds = STEP_SECONDS * max(1.0, (time.monotonic() - began) / START_SECONDS)
        arguments = ["demo/train.py", "--folder", str(FOLDER), "--step-seconds", f"{step_seconds:.3f}"]
        job = Job(arguments, ranks=RANKS, url=service.url, log=FOLDER / "training.log")
        with Client(service.url) as client:
            posted = tell(screen, service, client, job)
            ok = report(client, posted)
        service.stop()
    except Failure as failure:
        screen.say(f"FAILED: {failure}")
        return 1
    finally:
        if job is not None:
            job.stop()
        service.stop(signal.SIGKILL)
    look_next(service)
    return 0 if ok else 1


def tell(screen: Screen, service: Service, client: Client, job: Job) -> dict[int, int]:
    """The story, told by the step that the job has reached. The steps that the revisions were announced for."""
    posted: dict[int, int] = {}

    def until(step: int) -> None:
        patience = time.monotonic() + 180
        while job.running and job.step < step:
            screen.status(f"step {job.step:5,d}   rate {job.rate:.4f}   loss {job.loss:.3f}")
            if time.monotonic() > patience:
                raise Failure(f"The training does not get to step {step}; see {FOLDER}/training.log.")
            time.sleep(0.1)
        if not job.running:
            job.wait()
            raise Failure(f"The training ended before step {step}; see {FOLDER}/training.log.")

    def revise(reason: str, **action: object) -> int:
        revision = client.revise(RUN, action, reason=reason)
        number: int = revision["number"]
        posted[number] = revision["from_step"]
        screen.say(f"step {job.step:5,d}   revision {number} from step {revision['from_step']:,d}: {reason}")
        return number

    until(10)
    screen.say("training has begun")
    until(200)
    revise("half the rate, the shape of the curve kept", kind="scale", factor=0.5)
    until(400)
    revise("up to 0.12 in 150 steps", kind="ramp", to=0.12, steps=150)
    until(600)
    good = revise("more momentum, slowly", kind="ramp", to=0.95, steps=100, tracks=["momentum"])
    until(750)
    service.stop(signal.SIGKILL)
    screen.say(f"step {job.step:5,d}   the service is killed (SIGKILL); the training goes on")
    until(job.step + 50)
    service.start()
    while job.running and (horizon := client.run(RUN)["horizon"]) <= job.step:
        screen.status(f"step {job.step:5,d}   the service is back, the workers return")
        time.sleep(0.1)
    screen.say(f"step {job.step:5,d}   the service is back; what the ranks did alone, up to {horizon:,d}, is on record")
    revise("0.8 times the rate, right after the restart", kind="scale", factor=0.8)
    until(horizon + 100)
    revise("three times the rate, which goes badly", kind="scale", factor=3.0)
    until(job.step + 150)
    revise(f"back to the plan of revision {good}", kind="rollback", revision=good)
    until(job.step + 150)
    checkpoint = max(int(path.stem.split("-")[1]) for path in FOLDER.glob("checkpoint-*.pt"))
    run = client.rewind(RUN, checkpoint, action={"kind": "scale", "factor": 0.5}, reason="back, with half the rate")
    text = f"back to the checkpoint of step {checkpoint:,d}, with half the rate"
    screen.say(f"step {job.step:5,d}   revision {run['revision']}: {text}")
    while job.running:
        screen.status(f"step {job.step:5,d}   rate {job.rate:.4f}   loss {job.loss:.3f}")
        time.sleep(0.1)
    job.wait()
    screen.say(f"step {job.step:5,d}   the training has ended\n")
    return posted


def report(client: Client, posted: dict[int, int]) -> bool:
    """Print what the ranks did, and say whether all of it is as promised."""
    ranks = [read_used(FOLDER / f"used-rank-{rank}.csv") for rank in range(RANKS)]
    found = switches(client, RUN, ranks)
    print_switches(found, posted)
    total, right = count_verified(client, RUN, ranks)
    difference = largest_difference(FOLDER, RANKS)
    accuracy = min(float((FOLDER / f"accuracy-rank-{rank}.txt").read_text()) for rank in range(RANKS))
    workers, run = client.workers(RUN), client.run(RUN)
    confirmed = [worker["worker"] for worker in workers if worker["verified_until"] == run["total_steps"]]
    updates = sum(len(steps) for steps in ranks[0].values())
    return all(
        [
            show("largest difference of a parameter between ranks", f"{difference}", difference == 0.0),
            show("every rank switched at the same step", f"{len(found)} of {len(found)}", all(s.agreed for s in found)),
            show(
                f"applied values that are the committed ones ({updates:,d} steps x {RANKS} ranks x 2 tracks)",
                f"{right:,d} of {total:,d}",
                right == total == updates * RANKS * 2,
            ),
            show(
                "ranks that the service has verified to the end",
                f"{len(confirmed)} of {RANKS}",
                len(confirmed) == RANKS and run["unverified"] == [],
            ),
            show("accuracy on 360 digits held out", f"{accuracy:.1%}", accuracy > 0.9),
        ]
    )


def print_switches(found: list[Switch], posted: dict[int, int]) -> None:
    """One row per revision: what it was, and the first step of each rank with a value the old plan did not have."""
    print("revision                                from step   first new value, rank 0 to 3")
    for switch in found:
        steps = " ".join(f"{step:>6}" if step is not None else " never" for step in switch.steps)
        mark = "" if switch.agreed else "   <-- NOT EQUAL"
        announced = posted.get(switch.number, switch.from_step)
        moved = "" if announced == switch.from_step else f"   moved from {announced}: the ranks had passed it alone"
        print(f"{switch.number:>3}  {switch.action:<36}{switch.from_step:>8}   {steps}{mark}{moved}")
    print("A ramp starts with the value in force, so its first new value comes one step later.\n")


def show(what: str, value: str, good: bool) -> bool:
    print(f"{'ok  ' if good else 'FAIL'}  {what}: {value}")
    return good


def look_next(service: Service) -> None:
    print(f"""
Where to look next
  demo/train.py                 the training script: three lines of it are Lockstep's
  {FOLDER}/used-rank-0.csv   what the optimizer of rank 0 used, step by step
  .venv/bin/lockstep-server serve --database-url {service.database.replace(str(Path.cwd()) + "/", "")}
                                then http://127.0.0.1:8000/docs, or: curl http://127.0.0.1:8000/v1/runs/{RUN}/revisions""")


if __name__ == "__main__":
    sys.exit(main())
