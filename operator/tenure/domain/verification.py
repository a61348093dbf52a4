"""Decides the verifier's answer: whether a token is valid, and whether it gives the access that was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.roles import Access, Capability, Level, Role, capabilities, level_of
from tenure.domain.validity import Verdict, validity


class Code(StrEnum):
    """The answer in one word, which is part of the API."""

    VALID = "Valid"
    NOT_FOUND = "NotFound"
    MALFORMED = "Malformed"
    ROLE_CHANGED = "RoleChanged"
    ROLE_MISMATCH = "RoleMismatch"
    EXPIRED = "Expired"
    SUSPENDED = "Suspended"
    MEMBERSHIP_GONE = "MembershipGone"
    ORGANIZATION_GONE = "OrganizationGone"
    PENDING = "Pending"
    FORBIDDEN = "Forbidden"
    """The token works, but doesn't give the access that was asked for."""


@dataclass(frozen=True)
class Question:
    """The access that a token should give. A field is None if it wasn't asked for."""

    organization: str | None = None
    capability: Capability | None = None
    level: Level = Level.VIEW
    """The level of the capability. Without a capability, the key must have this level for at least one."""
    namespace: str | None = None
    """The organization's namespace. Names of Organizations are unique only within a namespace."""
    only_identity: bool = False
    """Whether only the owner of the token is asked for, so that no right follows from the answer. Without this and
    without a capability, a key that is limited to some capabilities is refused."""


@dataclass(frozen=True)
class Holding:
    """A key with its Membership and its Organization, if they exist."""

    api_key: ApiKey
    membership: Membership | None
    organization: Organization | None


@dataclass(frozen=True)
class Decision:
    """The answer to a question."""

    code: Code
    holding: Holding | None = None
    missing: str = ""
    """The access that a working token doesn't give: `namespace`, `organization`, a capability and its level, such as
    `costs=Full`, or `level=Full` if no capability was asked for. It is `capability` if one has to be asked for."""

    @property
    def valid(self) -> bool:
        """Whether the token works and gives the access that was asked for."""
        return self.code is Code.VALID

    @property
    def role(self) -> Role | None:
        """The role of the key, which is its member's present role."""
        member = self.holding.membership if self.holding is not None else None
        return None if member is None else member.spec.role

    @property
    def access(self) -> Access | None:
        """The most that the key may do."""
        return None if self.holding is None else self.holding.api_key.spec.access

    @property
    def narrowed_to(self) -> Sequence[Capability] | None:
        """The capabilities that the key is limited to, or None if it has no such limit."""
        return None if self.holding is None else self.holding.api_key.narrowed_to

    @property
    def levels(self) -> dict[Capability, Level]:
        """The level of each capability."""
        if self.role is None or self.access is None:
            return {}
        return capabilities(self.role, self.access, self.narrowed_to)


def decide(holding: Holding, question: Question, now: datetime) -> Decision | None:
    """Answer a question about a key.

    Return None if the given Membership is older than the key's stamp. Then read it from the API server and ask again.
    """
    verdict = validity(holding.api_key, holding.membership, holding.organization, now)
    if verdict is Verdict.BEHIND:
        return None
    decision = Decision(Code(verdict.value), holding)
    if decision.valid and (missing := _missing(decision, question)):
        return Decision(Code.FORBIDDEN, holding, missing)
    return decision


def _missing(decision: Decision, question: Question) -> str:
    holding = decision.holding
    if question.namespace is not None and (holding is None or holding.api_key.namespace != question.namespace):
        return "namespace"
    organization = holding.organization if holding is not None else None
    if question.organization is not None and (organization is None or organization.name != question.organization):
        return "organization"
    asked, level = question.capability, max(question.level, Level.VIEW)
    if asked is None and decision.narrowed_to is not None and not question.only_identity:
        return "capability"
    if asked is None and level is Level.VIEW:  # Every role views something.
        return ""
    return "" if _reach(decision, asked) >= level else f"{asked or 'level'}={level.label}"


def _reach(decision: Decision, asked: Capability | None) -> Level:
    """Return the level of one capability without computing the others, or the highest level if none is asked for."""
    if decision.role is None or decision.access is None:
        return Level.NONE
    if asked is None:
        return max(decision.levels.values())
    return level_of(decision.role, decision.access, asked, decision.narrowed_to)
