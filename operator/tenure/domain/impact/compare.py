"""Computes the impact of a change to a tree of manifests: decides about every changed object without a cluster.

The evidence comes from two trees here, and from reads in a cluster. The same function decides.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from tenure.domain.impact.assumptions import grounded
from tenure.domain.impact.keys import KeyChange, find_key_changes
from tenure.domain.impact.members import Impact, find_member_impacts
from tenure.domain.impact.organizations import (
    OrganizationChange,
    OrganizationRemoval,
    find_organization_changes,
    find_removals,
)
from tenure.domain.impact.step import SchemaRules, Step
from tenure.domain.impact.tokens import LostToken, find_lost_tokens
from tenure.domain.impact.tree import Address, Tree
from tenure.domain.installation import DEFAULTS, Installation
from tenure.domain.resources import ApiKey


@dataclass(frozen=True)
class Comparison:
    """The differences between two trees, sorted by address."""

    members: tuple[Impact, ...]
    removals: tuple[OrganizationRemoval, ...] = ()
    organizations: tuple[OrganizationChange, ...] = ()
    keys: tuple[KeyChange, ...] = ()
    tokens: tuple[LostToken, ...] = ()
    """Every token that works before and not afterwards, whichever change revokes or suspends it."""

    described: Mapping[Address, ApiKey] = field(default_factory=dict)
    """The named ApiKeys with a description or a limit to some capabilities, as they are before the change."""

    @property
    def changes(self) -> Iterator[Impact | OrganizationRemoval | OrganizationChange | KeyChange]:
        """The changes of all kinds."""
        yield from self.members
        yield from self.removals
        yield from self.organizations
        yield from self.keys

    @property
    def passes(self) -> bool:
        """Whether nothing has to be added or undone."""
        return all(one.passes for one in self.changes)

    @cached_property
    def other_tokens(self) -> tuple[LostToken, ...]:
        """The tokens that stop working, and that no change of a member, an ApiKey or an Organization names."""
        told = told_keys(self.members, self.removals) | {key.key for key in self.keys}
        told |= {token.key for one in self.organizations for token in one.tokens}
        return tuple(token for token in self.tokens if token.key not in told)

    @cached_property
    def own_keys(self) -> tuple[KeyChange, ...]:
        """The ApiKeys whose change says more than the change of their member does."""
        told = told_keys(self.members, self.removals)
        return tuple(
            key
            for key in self.keys
            if key.refusals or key.remarks or key.hand_over or (key.token is not None and key.key not in told)
        )


def compare(
    base: Tree, head: Tree, now: datetime, installation: Installation = DEFAULTS, *, schema: SchemaRules
) -> Comparison:
    """Return the impact of every object that differs between two trees, and every token that stops working."""
    before, after = grounded(base, head, now, installation)
    asked = Step(before, after, now, installation, schema)
    step = _as_applied(asked)
    members, removals = tuple(find_member_impacts(step)), tuple(find_removals(step))
    tokens = tuple(find_lost_tokens(step))
    keys = tuple(find_key_changes(asked, {token.key: token for token in reversed(tokens)}))
    told = told_keys(members, removals) | {key.key for key in keys}
    kept = {Address(one.member.namespace, name) for one in members for name in one.kept}
    others = [token for token in tokens if token.key not in told]
    return Comparison(
        members=members,
        removals=removals,
        organizations=tuple(find_organization_changes(step, others)),
        keys=keys,
        tokens=tokens,
        described={
            address: key
            for address, key in sorted({**after.api_keys, **before.api_keys}.items())
            if address in told | {token.key for token in tokens} | kept
            and (key.spec.description or key.spec.capabilities is not None)
        },
    )


def _as_applied(step: Step) -> Step:
    """Return the step without the changes of ApiKeys that a cluster rejects, because these keys stay as they are."""
    rejected = {change.key for change in find_key_changes(step, {}) if change.refusals}
    return replace(step, head=step.head.with_keys_of(step.base, rejected)) if rejected else step


def told_keys(members: tuple[Impact, ...], removals: tuple[OrganizationRemoval, ...]) -> set[Address]:
    """Return the keys that the changes of members and the removals of Organizations name."""
    return {
        *(Address(one.member.namespace, name) for one in members for name in (*one.revoked, *one.reissued)),
        *(Address(one.organization.namespace, name) for one in removals for name in one.revoked),
    }
