"""The reports of the other ranks, on their way to the service through the one that asks for them (broadcast mode)."""

from collections.abc import Mapping
from typing import Any

Report = dict[str, Any]  # a member of a request's `group` (PROTOCOL §2)


class Mailbox:
    """The newest report of every rank, kept until the service says that it is stored.

    A report holds all that its rank has used since the step last acknowledged, so a newer one takes its place.
    """

    def __init__(self) -> None:
        self._reports: dict[str, Report] = {}
        self._stored: dict[str, int] = {}

    def gathered(self, reports: Mapping[str, Report]) -> None:
        """Every rank's newest report, by worker."""
        self._reports = dict(reports)

    def group(self) -> list[Report]:
        """What the next request tells. A report that is stored stays as a sign that its rank lives."""
        return list(self._reports.values())

    def answered(self, group: list[Report], stored: Mapping[str, int]) -> None:
        """A request told `group`; by worker, the step up to which the service has stored what it was told."""
        for report in group:
            name, applied = report["worker"], report.get("applied")
            if name not in stored:
                continue
            self._stored[name] = max(self._stored.get(name, 0), stored[name])
            if applied is not None and applied["stop"] <= stored[name] and self._reports.get(name) is report:
                self._reports[name] = report | {"applied": None}

    def acknowledged(self) -> dict[str, int]:
        """By worker, the step from which its next report has to start; a rank that is not in it reports all."""
        return dict(self._stored)
