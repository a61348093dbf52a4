"""Organizations that invite their new members."""

from datetime import datetime
from typing import Any

from support.objects.builders import CREATED, organization
from tenure.domain.resources import Organization
from tenure.domain.resources.base import format_time


def inviting(mode: str = "RequireAcceptance", *, since: datetime = CREATED, **spec: Any) -> Organization:
    """An Organization that has had this mode since `since`, so who was created ten minutes later is invited."""
    times = {"invitationsSince": format_time(since), "acceptanceSince": format_time(since)}
    asks = mode == "RequireAcceptance"
    status = {"observedGeneration": 1, **(times if asks else {"invitationsSince": format_time(since)})}
    return organization(invitations={"mode": mode, **spec}, status=status)
