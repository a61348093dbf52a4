"""Writes what became of a letter: the Membership's status, and an Event if it was rejected."""

import logging
from datetime import datetime

from tenure.domain.letters.delivery import Fields, is_written
from tenure.domain.letters.letter import Letter
from tenure.domain.resources import Membership
from tenure.errors import ApiError, ConflictError, ObjectNotFoundError
from tenure.kube.cluster import Cluster
from tenure.kube.events import create_event, event_body
from tenure.mail.invitations import write_invitation

log = logging.getLogger("tenure.mail")

_ATTEMPTS = 5


async def save(cluster: Cluster, member: Membership, fields: Fields) -> bool:
    """Write fields of a Membership's `status.invitation`, and return whether they are stored or nobody needs them.

    The Membership is read first, because acceptance and other fields of the status change meanwhile.
    """
    try:
        for _ in range(_ATTEMPTS):
            fresh = await cluster.get(Membership, member.namespace, member.name)
            if fresh.metadata.uid != member.metadata.uid or is_written(fields, fresh.status.invitation):
                return True
            try:
                await write_invitation(cluster, fresh, fields)
            except ConflictError:
                continue
            return True
    except ObjectNotFoundError:
        return True
    except ApiError as error:
        log.warning("Can't write the status of Membership %s/%s: %s", member.namespace, member.name, error)
    return False


async def report_rejection(cluster: Cluster, letter: Letter, words: str, now: datetime) -> None:
    """Post an Event on the member to whom a letter can't be sent. A failure is logged and not raised."""
    member = letter.member
    body = event_body(
        member,
        now,
        reason="LetterRejected",
        type_="Warning",
        note=f"The mail server rejected a letter ({letter.kind.value}): {words}",
        occurrence=letter.id,
        controller="tenure.dev/mail",
        action="Send",
    )
    try:
        await create_event(cluster, body)
    except ApiError as error:
        log.warning(
            "Event LetterRejected on Membership %s/%s wasn't recorded: %s", member.namespace, member.name, error
        )
