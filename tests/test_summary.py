"""What a run says at its end: times by folder, and the figures of a test and all of its cases in one row."""

from types import SimpleNamespace
from typing import Any, Literal

import pytest

from tests.summary import CPU, Clock, Summary

CAMPAIGN = "tests/distributed/test_faults.py::test_a_fault"


@pytest.fixture
def summary() -> Summary:
    return Summary(Clock())


def report(
    summary: Summary, name: str, *said: tuple[str, Any], when: Literal["setup", "call"] = "call", wall: float = 1.0
) -> None:
    keywords = {"distributed": 1} if "@" in name else {}
    made = pytest.TestReport(name, ("", 0, ""), keywords, "passed", None, when, duration=wall, user_properties=said)
    summary.pytest_runtest_logreport(made)


def printed(summary: Summary) -> list[str]:
    """The lines, with single spaces."""
    lines: list[str] = []
    reporter: Any = SimpleNamespace(section=lines.append, write_line=lines.append)
    summary.pytest_terminal_summary(reporter)
    return [" ".join(line.split()) for line in lines]


def test_figures_of_one_name_are_added_up_over_the_cases_of_a_test(summary: Summary) -> None:
    report(summary, f"{CAMPAIGN}[killed]@distributed", ("steps", 1500), ("steps", 500), ("kills", 1), (CPU, 2.0))
    report(summary, f"{CAMPAIGN}[cut]@distributed", ("steps", 700), (CPU, 2.0))
    lines = printed(summary)
    first = lines.index("figures") + 2
    assert lines[first : first + 2] == [f"1 1 kills {CAMPAIGN}", f"2,700 3 steps {CAMPAIGN}"]


def test_a_figure_counts_once_though_every_phase_of_a_test_reports_it(summary: Summary) -> None:
    report(summary, CAMPAIGN, ("steps", 10), when="setup")
    report(summary, CAMPAIGN, ("steps", 10))
    assert f"10 1 steps {CAMPAIGN}" in printed(summary)


def test_times_are_those_of_a_folder_and_of_the_jobs(summary: Summary) -> None:
    report(summary, f"{CAMPAIGN}@distributed", (CPU, 3.0), when="setup", wall=4.0)
    for name in ("tests/app/test_a.py::test", "tests/app/test_b.py::test"):
        report(summary, name, (CPU, 0.5), when="setup")
        report(summary, name, (CPU, 0.5))
    lines = printed(summary)
    assert "jobs 4.0 3.0 1" in lines
    assert "tests/app 4.0 2.0 2" in lines
    assert "all 8.0 5.0 3" in lines


def test_the_report_of_a_worker_that_crashed_says_nothing_of_itself(summary: Summary) -> None:
    report(summary, CAMPAIGN)
    assert "figures" not in printed(summary)
