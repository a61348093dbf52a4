"""Who may touch whose key: every role of the key's holder, every requester, as real requests."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from support import manifests, people
from support.client import DRY_RUN, Client, denial_of, fresh_namespace, refusal
from support.people import MEMBERS, PEOPLE, Person
from tenure.domain.roles import Role

if TYPE_CHECKING:
    from admission.conftest import Judged

NOBODY = "nobody"
"""The name of a Membership that doesn't exist."""

HOLDERS: dict[str, Role | None] = {
    **{f"other-{role.lower()}": role for role in Role},
    "ci-member": Role.MEMBER,
    "ci-analyst": Role.ANALYST,
    "ci-viewer": Role.VIEWER,
    NOBODY: None,
}
OPERATIONS = ("create", "update", "delete")


@dataclass(frozen=True)
class Cell:
    """What somebody does to a key."""

    operation: str
    person: Person
    holder: str
    """The name of the Membership whose key it is."""

    role: Role | None
    """The holder's role; None where there is no such Membership."""

    def __str__(self) -> str:
        whose = "their own key" if self.own else f"a key of {self.holder}"
        return f"{self.operation} {whose} by {self.person}"

    @property
    def own(self) -> bool:
        return self.holder == self.person.member

    @property
    def lacking(self) -> set[Role]:
        """The roles whose grants are needed and not there."""
        if self.own or (self.operation == "delete" and self.person.revokes):
            return set()
        return ({self.role} if self.role else set(Role)) - self.person.grants

    @property
    def manifest(self) -> manifests.Body:
        return manifests.api_key("target", self.holder)

    def ask(self, client: Client, dry_run: bool) -> object:  # noqa: FBT001
        """Make the request, as the requester."""
        params = DRY_RUN if dry_run else {}
        if self.operation == "create":
            return client.create("apikeys", self.manifest, **params)
        if self.operation == "update":
            return client.patch("apikeys", "target", {"spec": {"revision": 2}}, **params)
        options: dict[str, Any] = {"dryRun": ["All"]} if dry_run else {}
        return client.delete("apikeys", "target", **options)


OTHERS = [
    Cell(operation, person, holder, role)
    for operation, person, (holder, role) in product(OPERATIONS, PEOPLE, HOLDERS.items())
]
OWN = [Cell(operation, person, person.member, person.role) for operation, person in product(OPERATIONS, MEMBERS)]
CELLS = OWN + OTHERS
PASSES = [cell for cell in CELLS if not cell.lacking]
REFUSED = [cell for cell in CELLS if cell.lacking]


@pytest.fixture(scope="module")
def acme(judged: "Judged") -> Iterator[Client]:
    """Give an organization with members of every role, and those who make the requests."""
    with fresh_namespace(judged.plane) as client:
        people.bind_people(judged.plane, client.namespace)
        client.create("organizations", manifests.organization())
        for body in people.memberships():
            client.create("memberships", body)
        for name, role in HOLDERS.items():
            if role is not None:
                make = manifests.service_account if name.startswith("ci-") else manifests.member
                client.create("memberships", make(name, role))
        yield client


@pytest.fixture(scope="module")
def requesters(acme: Client) -> Iterator[dict[Person, Client]]:
    """Give the organization as each requester sees it."""
    seen = {person: person.at(acme) for person in PEOPLE}
    yield seen
    for client in seen.values():
        client.close()


@pytest.fixture
def key(acme: Client, request: pytest.FixtureRequest) -> Iterator[None]:
    """Have the key that a cell is about, unless it is the cell that creates it."""
    cell = request.getfixturevalue("cell")
    if cell.operation != "create":
        acme.create("apikeys", cell.manifest)
    yield
    if acme.get("apikeys", "target") is not None:
        acme.delete("apikeys", "target")


def spec_of(client: Client) -> tuple[str, Any] | None:
    """The uid and spec of the key; None where there is none."""
    body = client.get("apikeys", "target")
    return None if body is None else (body["metadata"]["uid"], body["spec"])


def test_the_table_is_complete() -> None:
    assert len(CELLS) == len(OPERATIONS) * (len(MEMBERS) + len(PEOPLE) * len(HOLDERS))
    assert len(PASSES) + len(REFUSED) == len(CELLS)


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("cell", PASSES, ids=str)
def test_keys_are_touched_by_their_holder_and_by_whoever_may_grant_the_holders_role(
    acme: Client, requesters: dict[Person, Client], cell: Cell
) -> None:
    requester, before = requesters[cell.person], spec_of(acme)

    cell.ask(requester, dry_run=True)
    assert spec_of(acme) == before
    cell.ask(requester, dry_run=False)

    assert (spec_of(acme) is None) == (cell.operation == "delete")
    assert spec_of(acme) != before


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("cell", REFUSED, ids=str)
def test_keys_of_others_are_out_of_reach(acme: Client, requesters: dict[Person, Client], cell: Cell) -> None:
    requester, before = requesters[cell.person], spec_of(acme)

    trial = refusal(lambda: cell.ask(requester, dry_run=True))
    error = refusal(lambda: cell.ask(requester, dry_run=False))

    assert error is not None, "it passed"
    message = denial_of(error)
    assert trial is not None
    assert denial_of(trial) == message
    named = {role for role in Role if people.verb(role) in message.partition(" on ")[0]}
    assert named == cell.lacking, message
    assert message.startswith(f"spec.membership: {cell.person.user} lacks "), message
    assert spec_of(acme) == before
