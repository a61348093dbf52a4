"""The tokens that a change ends, if a cluster was asked about the keys."""

from support.objects.builders import NOW, api_key, issued, membership, organization, rotated
from tenure.domain.impact.step import Step
from tenure.domain.impact.tokens import find_lost_tokens
from tenure.domain.impact.tree import Address, Tree
from tenure.domain.installation import DEFAULTS

ADDRESS = Address("acme", "alice")


def test_a_lost_key_names_its_former_token_and_when_that_was_last_seen_in_use() -> None:
    acme, alice = organization(), membership()
    key = rotated(issued(api_key(), alice, acme), former="F" * 12, former_used_at=NOW)
    base = Tree({Address("acme", "acme"): acme}, {ADDRESS: alice}, {Address("acme", key.name): key})
    head = Tree(base.organizations, {ADDRESS: membership(role="Viewer")}, base.api_keys)
    (lost,) = find_lost_tokens(Step(base, head, NOW, DEFAULTS, lambda *_: ()))
    assert lost.key_id == f"{key.status.key_id} and {'F' * 12}"
    assert lost.use == "former token last seen in use at 2027-02-22T08:30:00Z"
