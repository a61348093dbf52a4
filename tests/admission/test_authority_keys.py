"""Who may touch whose key, as real requests of every requester: impersonated, and judged by the API server's RBAC."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from support.api.client import DRY_RUN, Client, denial_of, fresh_namespace, refusal
from support.cases.cells import HOLDERS, NOBODY, OPERATIONS, KeyCell, lacked
from support.cluster import people
from support.cluster.people import (
    ADMINISTRATOR,
    ANALYST,
    GITOPS,
    LIMITED_GITOPS,
    MEMBER,
    OUTSIDER,
    OWNER,
    PEOPLE,
    VIEWER,
    Person,
)
from support.objects import manifests

if TYPE_CHECKING:
    from admission.conftest import Judged


def own(operation: str, person: Person) -> KeyCell:
    """Something that somebody does to a key of their own."""
    return KeyCell(operation, person, person.member, person.role)


def other(operation: str, person: Person, holder: str) -> KeyCell:
    """Something that somebody does to somebody else's key."""
    return KeyCell(operation, person, holder, HOLDERS[holder])


SAMPLE = [
    own("create", MEMBER),
    own("update", VIEWER),
    own("delete", ANALYST),
    other("create", OWNER, "other-member"),
    other("update", ADMINISTRATOR, "ci-member"),
    other("update", LIMITED_GITOPS, "other-viewer"),
    other("delete", OWNER, "other-owner"),
    other("delete", GITOPS, "ci-viewer"),
    other("create", MEMBER, "other-viewer"),
    other("create", OUTSIDER, NOBODY),
    other("update", LIMITED_GITOPS, "other-owner"),
    other("update", ANALYST, "ci-analyst"),
    other("delete", VIEWER, "other-analyst"),
    other("delete", LIMITED_GITOPS, NOBODY),
]
PASSES = [cell for cell in SAMPLE if not cell.lacking]
REFUSED = [cell for cell in SAMPLE if cell.lacking]


def ask(cell: KeyCell, client: Client, *, dry_run: bool) -> object:
    """Make the request, as the requester."""
    params = DRY_RUN if dry_run else {}
    if cell.operation == "create":
        return client.create("apikeys", cell.manifest, **params)
    if cell.operation == "update":
        return client.patch("apikeys", "target", {"spec": {"revision": 2}}, **params)
    options: dict[str, Any] = {"dryRun": ["All"]} if dry_run else {}
    return client.delete("apikeys", "target", **options)


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


def test_every_requester_operation_and_holder_is_in_the_sample() -> None:
    """All rows are shown without a server, in tests/unit/domain/admission/test_decide_authority.py."""
    assert {cell.person for cell in SAMPLE} == set(PEOPLE)
    assert {cell.holder for cell in SAMPLE} >= set(HOLDERS)
    for cells in (PASSES, REFUSED):
        assert {cell.operation for cell in cells} == set(OPERATIONS)


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("cell", PASSES, ids=str)
def test_keys_are_touched_by_their_holder_and_by_whoever_may_grant_the_holders_role(
    acme: Client, requesters: dict[Person, Client], cell: KeyCell
) -> None:
    requester, before = requesters[cell.person], spec_of(acme)

    ask(cell, requester, dry_run=True)
    assert spec_of(acme) == before
    ask(cell, requester, dry_run=False)

    assert (spec_of(acme) is None) == (cell.operation == "delete")
    assert spec_of(acme) != before


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("cell", REFUSED, ids=str)
def test_keys_of_others_are_out_of_reach(acme: Client, requesters: dict[Person, Client], cell: KeyCell) -> None:
    requester, before = requesters[cell.person], spec_of(acme)

    trial = refusal(lambda: ask(cell, requester, dry_run=True))
    error = refusal(lambda: ask(cell, requester, dry_run=False))

    assert error is not None, "it passed"
    message = denial_of(error)
    assert trial is not None
    assert denial_of(trial) == message
    assert lacked(message) == cell.lacking, message
    assert message.startswith("spec.membership: "), message
    assert f"{cell.person.user} lacks " in message
    assert spec_of(acme) == before
