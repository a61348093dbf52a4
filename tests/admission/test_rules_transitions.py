"""Denied transitions on a real API server; every rule against every step: tests/unit/domain/admission."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from support.api.client import Client, denial, denial_of, fresh_namespace, refusal
from support.objects import manifests
from tenure.domain.roles import Role

if TYPE_CHECKING:
    from admission.conftest import Judged

ANY, NONE = "*", "None"


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


def test_several_rules_hold_together(client: Client) -> None:
    set_deny(client, (ANY, "Owner"), (NONE, "Owner"), (NONE, "Member"), ("Viewer", "Member"))
    assert step(client, None, Role.OWNER) == (
        "spec.role: Organization acme denies a new member with the role Owner (spec.roleChanges.deny). "
        "It allows Analyst, Viewer."
    )
    assert step(client, Role.VIEWER, Role.MEMBER) == (
        "spec.role: Organization acme denies Viewer -> Member (spec.roleChanges.deny). It allows Analyst."
    )
    assert step(client, Role.ANALYST, Role.MEMBER) is None


def test_a_service_accounts_steps_are_denied_too(client: Client) -> None:
    set_deny(client, ("Member", "Viewer"), (NONE, "Analyst"))
    client.create("memberships", manifests.service_account("ci"))
    message = denial(lambda: client.patch("memberships", "ci", {"spec": {"role": "Viewer"}}))
    assert message.startswith("spec.role: Organization acme denies Member -> Viewer ")
    message = denial(lambda: client.create("memberships", manifests.service_account("bot", "Analyst")))
    assert message.startswith("spec.role: Organization acme denies a new member with the role Analyst ")
    client.delete("memberships", "ci")


def test_no_rule_denies_a_removal_or_a_change_of_nothing(client: Client) -> None:
    set_deny(client, (ANY, ANY), (NONE, ANY))
    client.patch("memberships", "one-viewer", {"metadata": {"labels": {"team": "core"}}, "spec": {"role": "Viewer"}})
    client.delete("memberships", "one-viewer", dryRun=["All"])
