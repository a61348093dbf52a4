"""Posts Events about letters, each once."""

import logging
from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from tenure.domain.letters.reports import Report
from tenure.errors import ApiError
from tenure.kube.cluster import Cluster
from tenure.kube.events import create_event, event_body

log = logging.getLogger("tenure.mail")

MOST = 20
"""Maximum number of Events in a round."""


class Reports:
    """The Events of a process. Their names follow from what they report, so another process repeats none."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._posted: set[str] = set()

    async def post(self, reports: Sequence[Report], now: datetime) -> None:
        """Post those that weren't posted yet, some of them if many. Former reports are forgotten."""
        self._posted &= {report.id for report in reports}
        for report in islice((one for one in reports if one.id not in self._posted), MOST):
            if await post(self._cluster, report, now):
                self._posted.add(report.id)


async def post(cluster: Cluster, report: Report, now: datetime) -> bool:
    """Post an Event, and return whether it is there. A failure is logged and not raised."""
    about = report.about
    body = event_body(
        about,
        now,
        reason=report.reason,
        type_="Warning",
        note=report.note,
        occurrence=report.occurrence,
        controller="tenure.dev/mail",
        action="Send",
    )
    try:
        await create_event(cluster, body)
    except ApiError as error:
        log.warning(
            "Event %s on %s %s/%s wasn't recorded: %s", report.reason, about.kind, about.namespace, about.name, error
        )
        return False
    return True
