"""Carries out what callers of the API ask for: another letter, or the link of an invitation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from tenure.domain.in_force import oldest
from tenure.domain.invitations.requests import link_fields, next_request, pending_since, why_no_letter, why_no_link
from tenure.domain.invitations.state import address_of
from tenure.domain.letters.letter import Letter, LetterKind
from tenure.domain.resources import Membership, Organization
from tenure.domain.resources.base import format_time
from tenure.kube.cluster import Cluster
from tenure.mail.acceptance import Clock
from tenure.mail.invitations import write_invitation
from tenure.mail.letters.desk import Desk


class NothingToDoError(Exception):
    """A request can't be carried out, because of the Membership or its Organization. The text says why."""


@dataclass(frozen=True)
class Requests:
    """Carries out requests, in any replica. What a letter needs is done by the leader, who reads the status."""

    cluster: Cluster
    desk: Desk
    clock: Clock
    sends: bool
    """Whether there is a mail server."""

    async def resend(self, membership: Membership) -> str:
        """Ask the leader to send an invitation again, and return when somebody asked for it first.

        Raises:
            NothingToDoError: there is no invitation to send, or no mail server.
            ConflictError: the Membership changed at the same time.
            ApiError: the API server can't be asked now.
        """
        if not self.sends:
            raise NothingToDoError("No mail server is configured (--smtp-host). Ask for the link instead")
        if flaw := why_no_letter(membership, await self._organization(membership)):
            raise NothingToDoError(flaw)
        asked = pending_since(membership)
        if asked is None:
            asked = next_request(membership, self.clock())
            await write_invitation(self.cluster, membership, {"requestedAt": format_time(asked)})
        return format_time(asked)

    async def link(self, membership: Membership) -> Mapping[str, Any]:
        """Return the link of an invitation, until when it can be used, for whom it is, and the letter to copy.

        Raises:
            NothingToDoError: there is no invitation to accept.
            ConflictError: the Membership changed at the same time.
            ApiError: the API server can't be asked now.
        """
        organization = await self._organization(membership)
        flaw = why_no_link(membership, organization)
        if flaw or organization is None:
            raise NothingToDoError(flaw)
        subject = membership.spec.subject.name
        occasion = str(membership.metadata.generation)
        letter = Letter(
            LetterKind.INVITED, organization, membership, address_of(membership, organization) or subject, occasion
        )
        try:
            rendered, link = self.desk.compose(letter, self.clock())
        except TemplateError as error:
            raise NothingToDoError(
                f"The letter can't be written: {error}. Correct the template (--templates)"
            ) from None
        if link is None:
            raise NothingToDoError(f"{membership.name} doesn't have to accept, so there is no link")
        fields = link_fields(membership, link.expires_at)
        if fields:
            await write_invitation(self.cluster, membership, fields)
        return {
            "link": link.url,
            "expiresAt": format_time(link.expires_at),
            "member": membership.name,
            "subject": subject,
            "role": membership.spec.role.value,
            "letter": {"subject": rendered.subject, "text": rendered.text},
        }

    async def _organization(self, membership: Membership) -> Organization | None:
        return oldest(await self.cluster.list_in(Organization, membership.namespace))
