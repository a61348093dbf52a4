"""What a tree of manifests is taken for: which of its keys work in a cluster that it was applied to."""

import pytest

from support.objects.builders import NOW, api_key, issued, membership, organization
from tenure.domain.impact.assumptions import grounded
from tenure.domain.impact.tree import Address, Tree
from tenure.domain.installation import DEFAULTS
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.validity import Verdict, validity

ALICE = membership(generation=1)


def tree(*resources: Organization | Membership | ApiKey) -> Tree:
    """A tree of these objects."""
    by_kind: dict[type, dict[Address, object]] = {Organization: {}, Membership: {}, ApiKey: {}}
    for resource in resources:
        by_kind[type(resource)][Address(resource.namespace, resource.name)] = resource
    return Tree(by_kind[Organization], by_kind[Membership], by_kind[ApiKey])  # type: ignore[arg-type]


def verdict(before: Tree, key: ApiKey, after: Tree | None = None) -> Verdict:
    """What a key of the tree before is worth."""
    ground, _ = grounded(before, before if after is None else after, NOW, DEFAULTS)
    address = Address(key.namespace, key.name)
    member = ground.memberships[Address(key.namespace, key.spec.membership)]
    return validity(ground.api_keys[address], member, ground.organization_of(member), NOW)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        pytest.param(api_key(), Verdict.VALID, id="plain"),
        pytest.param(api_key(for_role="Member"), Verdict.VALID, id="approved for this role"),
        pytest.param(api_key(for_role="Viewer"), Verdict.PENDING, id="approved for another role"),
        pytest.param(api_key(expires_at="2027-12-31T00:00:00Z"), Verdict.VALID, id="ends within maxTTL from now on"),
        pytest.param(api_key(expires_at="2029-12-31T00:00:00Z"), Verdict.VALID, id="may be older than maxTTL"),
        pytest.param(api_key(expires_at="2027-01-01T00:00:00Z"), Verdict.PENDING, id="has ended"),
        pytest.param(api_key(ttl="1h"), Verdict.VALID, id="with a ttl"),
        pytest.param(api_key(suspended=True), Verdict.SUSPENDED, id="suspended"),
    ],
)
def test_a_key_is_taken_to_work_wherever_it_may(key: ApiKey, expected: Verdict) -> None:
    rules = {"maxTTL": "8760h", "requireExpiry": True, "maxPerMember": 1}
    others = [api_key("another"), api_key("a-third")]
    assert verdict(tree(organization(keys=rules), ALICE, key, *others), key) is expected


def test_an_organization_that_stands_in_neither_tree_stands_somewhere_else() -> None:
    key = api_key()
    assert verdict(tree(ALICE, key), key) is Verdict.VALID


def test_an_organization_of_another_name_is_in_force_instead() -> None:
    key = api_key()
    assert verdict(tree(organization("other"), ALICE, key), key) is Verdict.PENDING


def test_an_organization_that_comes_with_the_change_is_not_in_force_beside_one_that_is_there() -> None:
    key = api_key()
    before = tree(organization("acme"), ALICE, key)
    after = tree(organization("acme"), organization("aaa"), ALICE, key)
    _, head = grounded(before, after, NOW, DEFAULTS)
    in_force = head.organization_in("acme")
    assert in_force is not None
    assert in_force.name == "acme"


def test_a_clusters_key_is_left_as_it_stands() -> None:
    acme = organization()
    dead = issued(api_key(), ALICE, acme, membership_generation=0)
    assert verdict(tree(acme, ALICE, dead), dead) is Verdict.ROLE_CHANGED
