"""Denied transitions: every rule that an organization can have, against every change of role."""

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

import pytest

from support import manifests
from support.client import Client, denial, denial_of, fresh_namespace, refusal
from tenure.domain.roles import Role

if TYPE_CHECKING:
    from admission.conftest import Judged

ANY, NONE = "*", "None"
RULES = list(product([ANY, NONE, *Role], [ANY, *Role]))
STEPS = [(old, new) for old in [None, *Role] for new in Role if old is not new]


def is_denied(rule: tuple[str, str], old: Role | None, new: Role) -> bool:
    """What the rule says, in the words of the design: `*` is any role, and a new member has none."""
    before, after = rule
    starts = before == NONE if old is None else before in {ANY, old}
    return starts and after in {ANY, new}


@pytest.fixture(scope="module")
def client(judged: "Judged") -> Iterator[Client]:
    """Give an organization with a member of each role, and another Owner who stays."""
    with fresh_namespace(judged.plane) as client:
        client.create("organizations", manifests.organization())
        client.create("memberships", manifests.member("olga", "Owner"))
        for role in Role:
            client.create("memberships", manifests.member(f"one-{role.lower()}", role))
        yield client
        client.patch("organizations", "acme", {"spec": {"roleChanges": None}})


def set_deny(client: Client, *rules: tuple[str, str]) -> None:
    deny = [{"from": before, "to": after} for before, after in rules]
    client.patch("organizations", "acme", {"spec": {"roleChanges": {"deny": deny}}})


def step(client: Client, old: Role | None, new: Role) -> str | None:
    """Try a step, and return the words of its refusal; None: it passes."""
    if old is None:
        error = refusal(lambda: client.create("memberships", manifests.member("dana", new), dryRun="All"))
    else:
        change = {"spec": {"role": new}}
        error = refusal(lambda: client.patch("memberships", f"one-{old.lower()}", change, dryRun="All"))
    return None if error is None else denial_of(error)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"from {rule[0]} to {rule[1]}")
def test_a_rule_denies_the_steps_that_it_names_and_no_other(client: Client, rule: tuple[str, str]) -> None:
    set_deny(client, rule)

    said = {(old, new): step(client, old, new) for old, new in STEPS}

    wanted = {one for one in STEPS if is_denied(rule, *one)}
    assert {one for one, words in said.items() if words is not None} == wanted
    for (old, new), words in said.items():
        taken = f"a new member as {new}" if old is None else f"{old} -> {new}"
        instead = [other for other in Role if other is not old and not is_denied(rule, old, other)]
        denied = f"spec.role: {taken} is denied by Organization acme (spec.roleChanges.deny)"
        assert words in {None, f"{denied}; allowed: {', '.join(instead) or 'no other role'}"}


def test_several_rules_hold_together(client: Client) -> None:
    set_deny(client, (ANY, "Owner"), (NONE, "Owner"), (NONE, "Member"), ("Viewer", "Member"))
    assert step(client, None, Role.OWNER) == (
        "spec.role: a new member as Owner is denied by Organization acme (spec.roleChanges.deny); "
        "allowed: Analyst, Viewer"
    )
    assert step(client, Role.VIEWER, Role.MEMBER) == (
        "spec.role: Viewer -> Member is denied by Organization acme (spec.roleChanges.deny); allowed: Analyst"
    )
    assert step(client, Role.ANALYST, Role.MEMBER) is None


def test_a_service_accounts_steps_are_denied_too(client: Client) -> None:
    set_deny(client, ("Member", "Viewer"), (NONE, "Analyst"))
    client.create("memberships", manifests.service_account("ci"))
    message = denial(lambda: client.patch("memberships", "ci", {"spec": {"role": "Viewer"}}))
    assert message.startswith("spec.role: Member -> Viewer is denied")
    message = denial(lambda: client.create("memberships", manifests.service_account("bot", "Analyst")))
    assert message.startswith("spec.role: a new member as Analyst is denied")
    client.delete("memberships", "ci")


def test_no_rule_denies_a_removal_or_a_change_of_nothing(client: Client) -> None:
    set_deny(client, (ANY, ANY), (NONE, ANY))
    client.patch("memberships", "one-viewer", {"metadata": {"labels": {"team": "core"}}, "spec": {"role": "Viewer"}})
    client.delete("memberships", "one-viewer", dryRun=["All"])
