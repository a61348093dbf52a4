"""Denied transitions, domains and duplicates, as pure functions."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.objects.builders import membership, organization
from tenure.domain.admission.role_rules import (
    allowed_roles,
    domain_refusal,
    duplicate_refusal,
    explain_denial,
    is_denied,
    transition_refusal,
)
from tenure.domain.resources import Organization
from tenure.domain.roles import Role

BEFORE, AFTER = ["*", "None", *Role], ["*", *Role]
RULE = st.tuples(st.sampled_from(BEFORE), st.sampled_from(AFTER))


def denying(*rules: tuple[str, str]) -> Organization:
    return organization(role_changes={"deny": [{"from": before, "to": after} for before, after in rules]})


def limited(*domains: str) -> Organization:
    body = organization()
    return body.model_copy(update={"spec": body.spec.model_copy(update={"allowed_email_domains": list(domains)})})


@given(st.lists(RULE, max_size=6), st.sampled_from([None, *Role]), st.sampled_from(list(Role)))
def test_a_step_is_denied_if_any_rule_names_it(rules: list[tuple[str, str]], old: Role | None, new: Role) -> None:
    named = [
        (before == "None" if old is None else before in {"*", old}) and after in {"*", new} for before, after in rules
    ]
    acme = denying(*rules)
    assert is_denied(acme, old, new) is any(named)
    assert (new in allowed_roles(acme, old)) is (not any(named) and new is not old)


@pytest.mark.parametrize(("old", "new"), list(product([None, *Role], Role)))
def test_without_rules_every_step_is_allowed(old: Role | None, new: Role) -> None:
    for acme in (organization(), organization(role_changes={}), denying()):
        assert not is_denied(acme, old, new)


def test_a_denial_says_what_is_allowed_instead() -> None:
    acme = denying(("Viewer", "Owner"), ("None", "*"))
    rule = "(spec.roleChanges.deny)"
    assert explain_denial(acme, Role.VIEWER, Role.OWNER) == (
        f"spec.role: Organization acme denies Viewer -> Owner {rule}. It allows Member, Analyst."
    )
    assert explain_denial(acme, None, Role.OWNER) == (
        f"spec.role: Organization acme denies a new member with the role Owner {rule}. It allows no other role."
    )


@pytest.mark.parametrize(
    ("address", "belongs"),
    [
        ("alice@acme.io", True),
        ("alice@acme.example", True),
        ("alice@mail.acme.io", False),
        ("alice@notacme.io", False),
        ("acme.io@elsewhere.example", False),
        ('"alice@elsewhere.example"@acme.io', True),
        ("alice@acme.io@elsewhere.example", False),
        ("Alice@ACME.io", True),
        ("jdoe", False),
        ("acme.io", False),
        ("arn:aws:sts::1:assumed-role/admin/alice@acme.io", False),
    ],
)
def test_a_person_belongs_to_a_domain(address: str, belongs: bool) -> None:  # noqa: FBT001
    said = domain_refusal(limited("acme.io", "acme.example"), membership(subject=address))
    assert (said is None) is belongs
    assert domain_refusal(limited(), membership(subject=address)) is None


def test_a_service_account_belongs_to_no_domain() -> None:
    assert domain_refusal(limited("acme.io"), membership("ci", kind="ServiceAccount")) is None


def test_a_transition_is_denied_for_a_new_member_and_for_a_change_of_role_only() -> None:
    acme = denying(("*", "*"), ("None", "*"))
    viewer, member = membership(role="Viewer"), membership(role="Member")
    assert transition_refusal(acme, None, viewer) == explain_denial(acme, None, Role.VIEWER)
    assert transition_refusal(acme, member, viewer) == explain_denial(acme, Role.MEMBER, Role.VIEWER)
    assert transition_refusal(acme, viewer, viewer) is None
    assert transition_refusal(denying(), member, viewer) is None


@pytest.mark.parametrize(
    ("kind", "name", "subject", "deleting", "refused"),
    [
        ("User", "alice-2", "alice@acme.io", False, True),
        ("User", "alice", "alice@acme.io", False, False),
        ("User", "alice-2", "alice@acme.io", True, False),
        ("User", "bob", "bob@acme.io", False, False),
        ("ServiceAccount", "alice-2", "alice", False, False),
    ],
    ids=["another Membership", "the same Membership", "one that is going", "another person", "another kind"],
)
def test_a_subject_is_a_member_once(kind: str, name: str, subject: str, deleting: bool, refused: bool) -> None:  # noqa: FBT001
    other = membership(name, kind=kind, subject=subject, deleting=deleting)
    said = duplicate_refusal(membership("alice"), [other])
    assert (said is not None) is refused
    assert said is None or f"with Membership {name}." in said
