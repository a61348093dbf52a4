"""What members hold in Kubernetes: whose role, whose Secrets, and whose objects they are."""

import pytest

from support.objects.builders import NOW, api_key, membership, organization
from support.objects.invitations import inviting
from tenure.domain.access.bindings import (
    BoundKind,
    Desired,
    Observed,
    content_text,
    group,
    own_key_addresses,
    own_keys,
    role_addresses,
    role_bindings,
)
from tenure.domain.access.cluster_roles import cluster_role_name, cluster_roles
from tenure.domain.installation import Installation
from tenure.domain.resources import Membership, Organization
from tenure.domain.resources.base import format_time
from tenure.domain.roles import Access, Role

ACME = organization()
INSTALLATION = Installation(username_prefix="oidc:")


def names(desired: Desired) -> list[str]:
    return [subject["name"] for subject in desired.content["subjects"]]


def bound(org: Organization, *members: Membership) -> dict[Role, list[str]]:
    found = {desired.address.name: names(desired) for desired in role_bindings(org, members, INSTALLATION)}
    return {role: found[cluster_role_name(role)] for role in Role}


def test_every_role_has_its_group_and_its_people_in_order() -> None:
    members = [membership("zoe"), membership("alice"), membership("olga", role="Owner")]
    observed = bound(ACME, *members)
    assert observed[Role.OWNER] == ["tenure:acme:Owner", "oidc:olga@acme.io"]
    assert observed[Role.MEMBER] == ["tenure:acme:Member", "oidc:alice@acme.io", "oidc:zoe@acme.io"]
    assert observed[Role.VIEWER] == ["tenure:acme:Viewer"]
    assert list(reversed(members)) != members
    assert bound(ACME, *reversed(members)) == observed


def test_a_role_binding_binds_the_cluster_role_of_its_name() -> None:
    for desired, address in zip(role_bindings(ACME, [], INSTALLATION), role_addresses("acme"), strict=True):
        body = desired.to_body()
        assert desired.address == address
        assert body["roleRef"] == {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": body["metadata"]["name"],
        }


def test_view_keys_have_groups_and_bindings_of_their_own_and_no_people() -> None:
    members = [membership("olga", role="Owner"), membership("alice")]
    found = {desired.address.name: desired for desired in role_bindings(ACME, members, INSTALLATION)}
    assert len(found) == len(Role) * len(Access)
    for role in Role:
        desired = found[cluster_role_name(role, Access.VIEW)]
        assert names(desired) == [f"tenure:acme:{role}:View"]
        assert desired.role is not None
        assert desired.role.name == f"tenure-{role.lower()}-view"


def test_a_view_keys_cluster_role_reads_and_nothing_is_aggregated_into_it() -> None:
    bodies = {body["metadata"]["name"]: body for body in cluster_roles()}
    for role in Role:
        body = bodies[cluster_role_name(role, Access.VIEW)]
        assert {verb for rule in body["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
        assert "aggregationRule" not in body
        assert not [label for label in body["metadata"]["labels"] if "aggregate" in label]


def test_a_suspended_member_and_everybody_of_a_suspended_organization_are_in_none() -> None:
    alice, bob = membership("alice"), membership("bob")
    partly = organization(suspended_members=["alice"])
    assert bound(partly, alice, bob)[Role.MEMBER] == ["tenure:acme:Member", "oidc:bob@acme.io"]
    assert bound(organization(suspended=True), alice, bob)[Role.MEMBER] == ["tenure:acme:Member"]


def test_somebody_who_has_yet_to_accept_is_in_none() -> None:
    invitation = {"acceptedAt": format_time(NOW)}
    people = [
        membership("alice", created=NOW),
        membership("bob", created=NOW, status={"invitation": invitation}),
        membership("carol"),
    ]
    assert bound(inviting(), *people)[Role.MEMBER] == ["tenure:acme:Member", "oidc:bob@acme.io", "oidc:carol@acme.io"]


def test_a_service_account_is_no_person() -> None:
    robot = membership("ci", kind="ServiceAccount")
    assert bound(ACME, robot)[Role.MEMBER] == ["tenure:acme:Member"]


def test_own_keys_are_named_one_by_one_and_none_is_no_rule() -> None:
    role, binding = own_keys(membership("alice"), [api_key("b"), api_key("a")], INSTALLATION)
    assert role.content == {
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a", "b"], "verbs": ["get"]}]
    }
    assert names(binding) == ["oidc:alice@acme.io"]
    assert [role.address, binding.address] == own_key_addresses("acme", "alice")
    none, _ = own_keys(membership("alice"), [], INSTALLATION)
    assert none.content == {"rules": []}


@pytest.mark.parametrize("index", [0, 1], ids=["Role", "RoleBinding"])
def test_what_was_written_is_read_as_what_is_wanted(index: int) -> None:
    desired = own_keys(membership("alice"), [api_key("laptop")], INSTALLATION)[index]
    body = desired.to_body()
    body["metadata"] |= {"uid": "u-1", "resourceVersion": "7"}
    observed = Observed.from_body(body)
    assert observed.text == content_text(desired.content)
    assert observed.serves(desired)
    assert observed.names == (frozenset({"laptop"}) if desired.address.kind is BoundKind.ROLE else frozenset())


def test_a_label_proves_nothing_and_neither_does_a_reference_that_controls_nothing() -> None:
    desired = role_bindings(ACME, [], INSTALLATION)[0]
    body = desired.to_body()
    body["metadata"] |= {"uid": "u-1", "resourceVersion": "7"}
    body["metadata"]["ownerReferences"][0]["controller"] = False
    assert Observed.from_body(body).owner is None


def test_what_a_predecessor_of_the_same_name_has_is_not_taken_for_ones_own() -> None:
    body = role_bindings(ACME, [], INSTALLATION)[0].to_body()
    body["metadata"] |= {"uid": "u-1", "resourceVersion": "7"}
    assert Observed.from_body(body).serves(role_bindings(ACME, [], INSTALLATION)[0])
    assert not Observed.from_body(body).serves(role_bindings(organization(uid="another"), [], INSTALLATION)[0])


def test_a_binding_of_another_role_is_not_taken_for_ones_own() -> None:
    owners, *_ = role_bindings(ACME, [], INSTALLATION)
    body = owners.to_body()
    body["metadata"] |= {"uid": "u-1", "resourceVersion": "7"}
    body["roleRef"]["name"] = "cluster-admin"
    assert not Observed.from_body(body).serves(owners)


def test_groups_of_two_organizations_never_match() -> None:
    assert group("acme") == "tenure:acme"
    assert group("acme", Role.OWNER) != group("globex", Role.OWNER)
