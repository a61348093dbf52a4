"""Writes what became of a letter: the Membership's status, and an Event if it was rejected."""

import logging
from datetime import datetime

from tenure.domain.letters.delivery import Fields, is_written, without_lost_request
from tenure.domain.letters.letter import Letter
from tenure.domain.letters.reports import Report
from tenure.domain.resources import Membership
from tenure.errors import ApiError, ConflictError, ObjectNotFoundError
from tenure.kube.cluster import Cluster
from tenure.mail.invitations import write_invitation
from tenure.mail.letters.reports import post
from tenure.observability.log_limits import cause_of, warn_once_a_minute

log = logging.getLogger("tenure.mail")

_ATTEMPTS = 5


async def save(cluster: Cluster, member: Membership, fields: Fields) -> bool:
    """Write fields of a Membership's `status.invitation`, and return whether they are stored or nobody needs them.

    The Membership is read first, because acceptance and other fields of the status change meanwhile.
    """
    try:
        for _ in range(_ATTEMPTS):
            fresh = await cluster.get(Membership, member.namespace, member.name)
            present = fresh.status.invitation
            if fresh.metadata.uid != member.metadata.uid or is_written(fields, present):
                return True
            try:
                news = without_lost_request(fields, member.status.invitation, present)
                await write_invitation(cluster, fresh, news)
            except ConflictError:
                continue
            return True
    except ObjectNotFoundError:
        return True
    except ApiError as error:
        text, place = "Can't write the status of Membership %s/%s: %s", (member.namespace, member.name)
        warn_once_a_minute(log, cause_of(error, *place), text, *place, error)
    return False


async def report_rejection(cluster: Cluster, letter: Letter, words: str, now: datetime) -> None:
    """Post an Event on the member to whom a letter can't be sent. A failure is logged and not raised."""
    note = f"The mail server rejected a letter ({letter.kind.value}): {words}"
    await post(cluster, Report(letter.member, "LetterRejected", note, letter.id), now)
