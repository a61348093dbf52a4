"""Whether a mail process runs, by its Lease."""

from dataclasses import replace
from datetime import timedelta

import pytest

from support.objects.builders import NOW
from tenure.domain.invitations.mail import mail_runs
from tenure.domain.lease import Lease

LEASE = Lease("tenure-system", "tenure-mail", "tenure-mail-1", "", NOW, 15, renewed=NOW, resource_version="7")

LEASES: dict[str, tuple[Lease | None, Lease | None, float, bool]] = {
    "no Lease": (None, None, 0, False),
    "renewed just now": (LEASE, None, 1, True),
    "clocks differ by two minutes": (LEASE, None, 130, True),
    "renewed long ago": (LEASE, None, 140, False),
    "renewed long ago, and not since": (LEASE, LEASE, 140, False),
    "renewed since, by a clock that is wrong": (LEASE, replace(LEASE, resource_version="6"), 86400, True),
    "released": (replace(LEASE, holder=""), LEASE, 1, False),
    "taken, not renewed yet": (replace(LEASE, renewed=None), None, 1, True),
}


@pytest.mark.parametrize(("lease", "before", "seconds", "runs"), LEASES.values(), ids=LEASES)
def test_a_mail_process_that_renews_its_lease_runs(
    lease: Lease | None, before: Lease | None, seconds: float, *, runs: bool
) -> None:
    assert mail_runs(lease, NOW + timedelta(seconds=seconds), before) is runs
