"""The accept page of invitations over objects in memory, for tests of what it shows and to whom."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.objects import builders
from support.programs.served import served
from tenure.domain.invitations.links import Claim, SigningKey, Standing, judge
from tenure.domain.resources import Membership, Organization
from tenure.domain.resources.base import format_time
from tenure.errors import UnavailableError
from tenure.mail.http.app import AcceptPage
from tenure.mail.http.door import door, origin_of
from tenure.mail.http.pages import Invited
from tenure.mail.signing import SigningKeys

KEY = SigningKey(bytes(range(32)))
ORIGIN = "http://127.0.0.1"
LIFE = timedelta(hours=168)


@dataclass
class Held:
    """Invitations in memory, judged as the real ones are."""

    organization: Organization
    members: dict[str, Membership] = field(default_factory=dict)
    away: bool = False
    """Whether the API server doesn't answer."""

    accepted: int = 0

    async def look_up(self, claim: Claim) -> tuple[Standing, Invited | None]:
        """Return what a link is good for."""
        if self.away:
            raise UnavailableError("GET /apis: no answer in time")
        membership = self.members.get(claim.uid)
        standing = judge(claim, membership, now())
        if standing is Standing.DEAD or membership is None:
            return Standing.DEAD, None
        return standing, Invited(membership, self.organization)

    async def accept(self, claim: Claim) -> tuple[Standing, Invited | None]:
        """Record the acceptance."""
        standing, invited = await self.look_up(claim)
        if standing is Standing.OPEN and invited is not None:
            self.accepted += 1
            self.change(invited.membership, accepted_at=now())
        return standing, invited

    def change(self, membership: Membership, *, accepted_at: datetime) -> None:
        """Let a Membership be accepted."""
        status = {"invitation": {"acceptedAt": format_time(accepted_at)}}
        self.members[membership.metadata.uid] = builders.membership(
            membership.name, role=membership.spec.role, subject=membership.spec.subject.name, status=status
        )


def now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


def acme(*, language: str | None = None, display_name: str = "Acme Inc.", contact: str | None = None) -> Organization:
    """An Organization that invites."""
    invitations = {"mode": "RequireAcceptance", "language": language, "contact": contact}
    present = {key: value for key, value in invitations.items() if value}
    organization = builders.organization(invitations=present)
    return organization.model_copy(update={"spec": organization.spec.model_copy(update={"display_name": display_name})})


@dataclass
class Page:
    """A served page."""

    port: int
    held: Held
    prefix: str

    def invite(self, membership: Membership, *, life: timedelta = LIFE, key: SigningKey = KEY) -> str:
        """Return the address of a link that invites a member, who is held from now on."""
        self.held.members[membership.metadata.uid] = membership
        return self.address(Claim.of(membership, now() + life).sign([key]))

    def address(self, token: str) -> str:
        """Return the address of a link."""
        return f"http://127.0.0.1:{self.port}{self.prefix}/invitations/{token}"


@contextmanager
def accept_page(keys: Path, organization: Organization, *, prefix: str = "", tls: bool = False) -> Iterator[Page]:
    """Serve the page for an organization, with a signing key in a folder."""
    (keys / "k1").write_bytes(base64.b64encode(KEY.secret))
    held = Held(organization)
    base_url = f"{'https' if tls else 'http'}://join.acme.io{prefix}"
    page = AcceptPage(held, SigningKeys(keys), now, origin_of(base_url))
    with served(door(page, base_url)) as port:
        yield Page(port, held, prefix)
