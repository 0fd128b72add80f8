"""What a run says at its end: where its time went, by group of tests, and the figures that its tests recorded.

A group is a folder of tests; the jobs of several processes are one of their own, and so is what the workers collect.
`cpu` is the processor's time of the tests and of all processes that they started and waited for; `wall` sums over the
workers, so it may be more than the clock on the wall says. A figure is a number that a test hands to `record_property`;
those of one name that a test and its cases hand over are added up.
"""

import os
import time
from collections import defaultdict
from pathlib import PurePath
from typing import Any

import pytest

from tests.campaigns import SEED

COLLECTING = "collecting"
CPU = "cpu"


def spent() -> float:
    """Seconds of the processor that this process and its ended children have had."""
    return sum(os.times()[:4])


class Clock:
    """Stamps every report of this process with the seconds since the one before it, so that nothing is lost between."""

    def __init__(self) -> None:
        self.started, self.last = time.monotonic(), 0.0
        self.collecting = (0.0, 0.0)

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_finish(self, session: pytest.Session) -> Any:
        yield
        self.last = spent()
        self.collecting = time.monotonic() - self.started, self.last
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[COLLECTING] = self.collecting

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Any:
        report: pytest.TestReport = yield
        now = spent()
        report.user_properties = [*report.user_properties, (CPU, now - self.last)]
        self.last = now
        return report


class Summary:
    """Adds up the reports, those of pytest-xdist's workers too."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.groups: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0])  # wall, cpu, tests
        self.figures: dict[tuple[str, str], list[int]] = defaultdict(list)  # of (test, figure)

    def add(self, group: str, wall: float, cpu: float, tests: int) -> None:
        for column, value in enumerate((wall, cpu, tests)):
            self.groups[group][column] += value

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = report.nodeid.partition("[")[0].removesuffix("@distributed")
        group = "jobs" if "distributed" in report.keywords else str(PurePath(test.partition("::")[0]).parent)
        said: list[tuple[str, Any]] = report.user_properties
        cpu = sum(number for figure, number in said if figure == CPU)
        self.add(group, report.duration, cpu, report.when == "setup")
        for figure, number in said:
            if report.when == "call" and figure != CPU:
                self.figures[test, figure].append(number)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        wall, cpu = getattr(node, "workeroutput", {}).get(COLLECTING, (0.0, 0.0))
        self.add(COLLECTING, wall, cpu, 0)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        write = terminalreporter.write_line
        if self.figures:
            terminalreporter.section("figures")
            write(f"{'in all':>12} {'times':>6}  {'of what':32} test")
            for (test, figure), numbers in sorted(self.figures.items()):
                write(f"{sum(numbers):12,} {len(numbers):6}  {figure:32} {test}")
        if len(self.groups) > 1:
            self.add(COLLECTING, *self.clock.collecting, 0)
            terminalreporter.section("where the time went, in seconds")
            write(f"{'group':32} {'wall':>8} {'cpu':>8} {'tests':>6}")
            rows = sorted(self.groups.items(), key=lambda row: -row[1][1])
            everything = [sum(column) for column in zip(*self.groups.values(), strict=True)]
            for group, (wall, cpu, tests) in [*rows, ("all", everything)]:
                write(f"{group:32} {wall:8.1f} {cpu:8.1f} {tests:6.0f}")
        write(f"seed of the campaigns: LOCKSTEP_SEED={SEED}")


def install(config: pytest.Config) -> None:
    """Count in every process, print in the first one."""
    config.pluginmanager.register(clock := Clock())
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Summary(clock))
