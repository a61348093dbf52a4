"""Who may give and take roles: every role before, every role after, every requester, as real requests.

A requester whose role brings no right to write Memberships has it from a Role besides: the webhook is what decides.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from support import manifests, people
from support.client import DRY_RUN, Client, denial_of, fresh_namespace, refusal
from support.people import PEOPLE, Person
from tenure.domain.roles import Role

if TYPE_CHECKING:
    from admission.conftest import Judged

PERSON, SERVICE_ACCOUNT = "User", "ServiceAccount"
ROLES: dict[str, Sequence[Role]] = {PERSON: list(Role), SERVICE_ACCOUNT: [Role.MEMBER, Role.ANALYST, Role.VIEWER]}


@dataclass(frozen=True)
class Cell:
    """A change of somebody else's Membership, and who asks for it."""

    person: Person
    kind: str
    old: Role | None
    """None: it is created."""

    new: Role | None
    """None: it is deleted."""

    def __str__(self) -> str:
        kind = "" if self.kind == PERSON else " of a service account"
        return f"{self.old or 'none'} to {self.new or 'none'}{kind} by {self.person}"

    @property
    def needed(self) -> set[Role]:
        """The roles whose grants the change needs."""
        return {role for role in (self.old, self.new) if role is not None}

    @property
    def lacking(self) -> set[Role]:
        """The roles whose grants the requester lacks."""
        return self.needed - self.person.grants

    def manifest(self, name: str, role: Role) -> manifests.Body:
        """The Membership that is changed, with a role."""
        make = manifests.member if self.kind == PERSON else manifests.service_account
        return make(name, role)

    def ask(self, client: Client, name: str, dry_run: bool) -> object:  # noqa: FBT001
        """Make the request, as the requester."""
        params = DRY_RUN if dry_run else {}
        if self.new is None:
            # With a body, the API server doesn't look at the query.
            options: dict[str, Any] = {"dryRun": ["All"]} if dry_run else {}
            return client.delete("memberships", name, **options)
        if self.old is None:
            return client.create("memberships", self.manifest(name, self.new), **params)
        return client.patch("memberships", name, {"spec": {"role": self.new}}, **params)


def cells() -> list[Cell]:
    """All of them; a change from a role to itself is none."""
    return [
        Cell(person, kind, old, new)
        for kind, roles in ROLES.items()
        for person, old, new in product(PEOPLE, [None, *roles], [*roles, None])
        if old is not new
    ]


CELLS = cells()
PASSES = [cell for cell in CELLS if not cell.lacking]
REFUSED = [cell for cell in CELLS if cell.lacking]


@pytest.fixture(scope="module")
def acme(judged: "Judged") -> Iterator[Client]:
    """Give an organization of which every requester with a role is a member."""
    with fresh_namespace(judged.plane) as client:
        people.bind_people(judged.plane, client.namespace)
        client.create("organizations", manifests.organization())
        for body in people.memberships():
            client.create("memberships", body)
        yield client


@pytest.fixture(scope="module")
def requesters(acme: Client) -> Iterator[dict[Person, Client]]:
    """Give the organization as each requester sees it."""
    seen = {person: person.at(acme) for person in PEOPLE}
    yield seen
    for client in seen.values():
        client.close()


@pytest.fixture
def name(acme: Client, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the name of the Membership that a cell is about; the one that is there has its old role."""
    cell, name = request.getfixturevalue("cell"), "target"
    if cell.old is not None:
        acme.create("memberships", cell.manifest(name, cell.old))
    yield name
    if acme.get("memberships", name) is not None:
        acme.delete("memberships", name)


def role_of(client: Client, name: str) -> tuple[str, str] | None:
    """The uid and role of a Membership; None where there is none."""
    body = client.get("memberships", name)
    return None if body is None else (body["metadata"]["uid"], body["spec"]["role"])


def test_the_table_is_complete() -> None:
    changes = {kind: (len(roles) + 1) ** 2 - len(roles) - 1 for kind, roles in ROLES.items()}
    assert changes == {PERSON: 20, SERVICE_ACCOUNT: 12}
    assert len(PASSES) + len(REFUSED) == len(PEOPLE) * sum(changes.values())


@pytest.mark.parametrize("cell", PASSES, ids=str)
def test_whoever_holds_the_grants_of_both_roles_changes_a_membership(
    acme: Client, requesters: dict[Person, Client], name: str, cell: Cell
) -> None:
    requester, before = requesters[cell.person], role_of(acme, name)

    cell.ask(requester, name, dry_run=True)
    assert role_of(acme, name) == before
    cell.ask(requester, name, dry_run=False)

    after = role_of(acme, name)
    assert (after and after[1]) == cell.new


@pytest.mark.parametrize("cell", REFUSED, ids=str)
def test_whoever_lacks_a_grant_is_refused_and_told_which(
    acme: Client, requesters: dict[Person, Client], name: str, cell: Cell
) -> None:
    requester, before = requesters[cell.person], role_of(acme, name)

    trial = refusal(lambda: cell.ask(requester, name, dry_run=True))
    error = refusal(lambda: cell.ask(requester, name, dry_run=False))

    assert error is not None, "it passed"
    message = denial_of(error)
    assert trial is not None
    assert denial_of(trial) == message
    named = {role for role in Role if people.verb(role) in message.partition(" on ")[0]}
    assert named == cell.lacking, message
    assert f"organizations.tenure.dev/acme in namespace {acme.namespace}" in message
    assert message.startswith(f"spec.role: {cell.person.user} lacks "), message
    assert role_of(acme, name) == before
