"""Who may give and take roles, as real requests of every requester: impersonated, and judged by the API server's RBAC.

A requester whose role brings no right to write Memberships has it from a Role besides: the webhook is what decides.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from support.api.client import DRY_RUN, Client, denial_of, fresh_namespace, refusal
from support.cases.cells import PERSON, SERVICE_ACCOUNT, MemberCell, lacked
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
from tenure.domain.roles import Role

if TYPE_CHECKING:
    from admission.conftest import Judged

SAMPLE = [
    MemberCell(OWNER, PERSON, None, Role.OWNER),
    MemberCell(OWNER, PERSON, Role.MEMBER, Role.VIEWER),
    MemberCell(OWNER, SERVICE_ACCOUNT, Role.VIEWER, None),
    MemberCell(ADMINISTRATOR, PERSON, Role.VIEWER, Role.OWNER),
    MemberCell(GITOPS, SERVICE_ACCOUNT, None, Role.MEMBER),
    MemberCell(LIMITED_GITOPS, PERSON, Role.MEMBER, Role.ANALYST),
    MemberCell(LIMITED_GITOPS, PERSON, Role.MEMBER, Role.OWNER),
    MemberCell(LIMITED_GITOPS, PERSON, Role.OWNER, None),
    MemberCell(MEMBER, PERSON, None, Role.VIEWER),
    MemberCell(ANALYST, PERSON, Role.VIEWER, Role.ANALYST),
    MemberCell(VIEWER, SERVICE_ACCOUNT, Role.MEMBER, None),
    MemberCell(OUTSIDER, PERSON, Role.OWNER, Role.MEMBER),
]
PASSES = [cell for cell in SAMPLE if not cell.lacking]
REFUSED = [cell for cell in SAMPLE if cell.lacking]


def ask(cell: MemberCell, client: Client, name: str, *, dry_run: bool) -> object:
    """Make the request, as the requester."""
    params = DRY_RUN if dry_run else {}
    if cell.new is None:
        # With a body, the API server doesn't look at the query.
        options: dict[str, Any] = {"dryRun": ["All"]} if dry_run else {}
        return client.delete("memberships", name, **options)
    if cell.old is None:
        return client.create("memberships", cell.manifest(name, cell.new), **params)
    return client.patch("memberships", name, {"spec": {"role": cell.new}}, **params)


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


def test_every_requester_operation_and_kind_is_in_the_sample() -> None:
    """All rows are shown without a server, in tests/unit/domain/admission/test_decide_authority.py."""
    assert {cell.person for cell in SAMPLE} == set(PEOPLE)
    for cells in (PASSES, REFUSED):
        assert {cell.operation for cell in cells} == {"create", "update", "delete"}
        assert {cell.kind for cell in cells} == {PERSON, SERVICE_ACCOUNT}


@pytest.mark.parametrize("cell", PASSES, ids=str)
def test_whoever_holds_the_grants_of_both_roles_changes_a_membership(
    acme: Client, requesters: dict[Person, Client], name: str, cell: MemberCell
) -> None:
    requester, before = requesters[cell.person], role_of(acme, name)

    ask(cell, requester, name, dry_run=True)
    assert role_of(acme, name) == before
    ask(cell, requester, name, dry_run=False)

    after = role_of(acme, name)
    assert (after and after[1]) == cell.new


@pytest.mark.parametrize("cell", REFUSED, ids=str)
def test_whoever_lacks_a_grant_is_refused_and_told_which(
    acme: Client, requesters: dict[Person, Client], name: str, cell: MemberCell
) -> None:
    requester, before = requesters[cell.person], role_of(acme, name)

    trial = refusal(lambda: ask(cell, requester, name, dry_run=True))
    error = refusal(lambda: ask(cell, requester, name, dry_run=False))

    assert error is not None, "it passed"
    message = denial_of(error)
    assert trial is not None
    assert denial_of(trial) == message
    assert lacked(message) == cell.lacking, message
    assert f"organizations.tenure.dev/acme in namespace {acme.namespace}" in message
    assert message.startswith(f"spec.role: {cell.person.user} lacks "), message
    assert role_of(acme, name) == before
