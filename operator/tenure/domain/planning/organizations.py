"""Plans the status of an Organization."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from tenure.domain.access.bindings import BindingState
from tenure.domain.conditions import find_condition, readiness, renew_condition
from tenure.domain.installation import DEFAULTS, Installation, KubernetesAccess
from tenure.domain.planning.actions import Plan, StatusAction, UpdateStatus
from tenure.domain.planning.events import state_events
from tenure.domain.planning.invitations import mail_condition, times_in_force
from tenure.domain.reasons import ConditionType, Reason
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.resources.base import Condition, ConditionStatus
from tenure.domain.resources.organization import KeyCounts, OrganizationStatus, count_roles
from tenure.domain.roles import Role
from tenure.domain.validity import Verdict, validity

R = TypeVar("R", bound=Resource)

_MAX_LISTED_OWNERS = 50
_OWNERS_IN_MESSAGE = 3
_WAITING = {Verdict.PENDING, Verdict.BEHIND}


@dataclass(frozen=True)
class OrganizationObservation:
    """The input of the plan for an Organization."""

    organization: Organization
    in_force: Organization
    """The oldest Organization of the namespace."""

    members: Sequence[Membership]
    """The namespace's Memberships that name this Organization, aren't being deleted, and are their subject's oldest."""

    keys: Sequence[tuple[ApiKey, Membership | None]]
    """The namespace's keys, each with its Membership."""

    now: datetime
    installation: Installation = DEFAULTS
    bindings: BindingState | None = None
    """The state of the members' access to Kubernetes, or None if it isn't known yet."""

    mail_runs: bool | None = None
    """Whether a mail process runs, or None if it isn't known."""


def plan_organization(observation: OrganizationObservation) -> Plan[StatusAction]:
    """Plan what to do about an Organization."""
    organization = observation.organization
    if organization.metadata.deleting:
        return Plan()
    status = _status_in_force(observation) if _is_in_force(observation) else _status_displaced(observation)
    if status == organization.status:
        return Plan()
    return Plan((*state_events(organization, status.conditions), UpdateStatus(status)))


def _is_in_force(observation: OrganizationObservation) -> bool:
    return observation.in_force.metadata.uid == observation.organization.metadata.uid


def _status_displaced(observation: OrganizationObservation) -> OrganizationStatus:
    organization = observation.organization
    conditions = readiness(
        organization.status.conditions,
        kind=Organization.kind,
        ready=False,
        reason=Reason.NAMESPACE_TAKEN,
        message=f"The older Organization {observation.in_force.name} is in force in this namespace. Create this one in "
        "another namespace.",
        generation=organization.metadata.generation,
        now=observation.now,
    )
    return OrganizationStatus(observed_generation=organization.metadata.generation, conditions=conditions)


def _status_in_force(observation: OrganizationObservation) -> OrganizationStatus:
    organization = observation.organization
    owners = sorted(member.name for member in observation.members if member.spec.role is Role.OWNER)
    return organization.status.model_copy(
        update={
            "observed_generation": organization.metadata.generation,
            "conditions": _conditions(observation, owners),
            "members": count_roles([member.spec.role for member in observation.members]),
            "owners": owners[:_MAX_LISTED_OWNERS],
            "keys": _count_keys(observation),
            "policy": observation.installation.policy(organization),
            **times_in_force(organization, observation.members, observation.now),
        }
    )


def _conditions(observation: OrganizationObservation, owners: Sequence[str]) -> list[Condition]:
    organization = observation.organization
    old, generation = organization.status.conditions, organization.metadata.generation
    owned_reason, owned_message = _ownership(old, owners)
    if organization.spec.suspended:
        reason, message = (
            Reason.SUSPENDED,
            "Suspended by spec.suspended. No key of this organization works until you remove it.",
        )
    elif owned_reason is Reason.NO_OWNER:
        reason, message = owned_reason, owned_message
    else:
        reason, message = Reason.ACTIVE, f"In force in namespace {organization.namespace}."
    has_owner = renew_condition(
        old,
        ConditionType.HAS_OWNER,
        holds=bool(owners),
        reason=owned_reason,
        message=owned_message,
        generation=generation,
        now=observation.now,
    )
    return [
        *readiness(
            old,
            kind=Organization.kind,
            ready=reason is Reason.ACTIVE,
            reason=reason,
            message=message,
            generation=generation,
            now=observation.now,
        ),
        has_owner,
        *_binding(observation),
        *mail_condition(organization, observation.now, runs=observation.mail_runs),
    ]


def _binding(observation: OrganizationObservation) -> list[Condition]:
    """Return the condition on the members' access to Kubernetes, if the installation gives them any."""
    if observation.installation.kubernetes_access is KubernetesAccess.NONE:
        return []
    old = observation.organization.status.conditions
    if observation.bindings is None:
        known = find_condition(old, ConditionType.ROLES_BOUND)
        return [] if known is None else [known]
    condition = renew_condition(
        old,
        ConditionType.ROLES_BOUND,
        holds=observation.bindings.reason is Reason.BOUND,
        reason=observation.bindings.reason,
        message=observation.bindings.message,
        generation=observation.organization.metadata.generation,
        now=observation.now,
    )
    return [condition]


def _ownership(old: Sequence[Condition], owners: Sequence[str]) -> tuple[Reason, str]:
    if owners:
        others = " and others" if owners[_OWNERS_IN_MESSAGE:] else ""
        return Reason.OWNED, f"Owned by {', '.join(owners[:_OWNERS_IN_MESSAGE])}{others}."
    before = find_condition(old, ConditionType.HAS_OWNER)
    if before is not None and (before.status is ConditionStatus.TRUE or before.reason == Reason.NO_OWNER):
        return Reason.NO_OWNER, "The last Owner is gone. Give a member the role Owner."
    return Reason.AWAITING_FIRST_OWNER, "No Owner yet. Create a Membership with the role Owner."


def _count_keys(observation: OrganizationObservation) -> KeyCounts:
    verdicts = Counter(
        validity(key, membership, observation.organization, observation.now) for key, membership in observation.keys
    )
    waiting = sum(verdicts[verdict] for verdict in _WAITING)
    return KeyCounts(
        valid=verdicts[Verdict.VALID],
        suspended=verdicts[Verdict.SUSPENDED],
        waiting=waiting,
        ended=verdicts.total() - verdicts[Verdict.VALID] - verdicts[Verdict.SUSPENDED] - waiting,
    )
