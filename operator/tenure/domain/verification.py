"""What a token is worth to whoever asks: the verdict, and whether it opens what is asked for."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.roles import Access, Capability, Level, Role, capabilities, level_of
from tenure.domain.validity import Verdict, validity


class Code(StrEnum):
    """The answer in one word; it is API."""

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
    """The token works, and doesn't open what was asked for."""


@dataclass(frozen=True)
class Question:
    """What a token is to be good for; None: that isn't asked."""

    organization: str | None = None
    capability: Capability | None = None
    level: Level = Level.VIEW
    namespace: str | None = None
    """Names of Organizations are unique within one only."""


@dataclass(frozen=True)
class Holding:
    """A key with what it rests on, as far as that exists."""

    api_key: ApiKey
    membership: Membership | None
    organization: Organization | None


@dataclass(frozen=True)
class Decision:
    """The answer to a question."""

    code: Code
    holding: Holding | None = None
    missing: str = ""
    """What a token that works doesn't open: `namespace`, `organization`, or a capability and its level, such as
    `costs=Full`."""

    @property
    def valid(self) -> bool:
        """Whether the token opens what was asked for."""
        return self.code is Code.VALID

    @property
    def role(self) -> Role | None:
        """The role that the key carries: its member's, as it is now."""
        member = self.holding.membership if self.holding is not None else None
        return None if member is None else member.spec.role

    @property
    def access(self) -> Access | None:
        """The most that the key may do."""
        return None if self.holding is None else self.holding.api_key.spec.access

    @property
    def levels(self) -> dict[Capability, Level]:
        """How far each capability reaches."""
        return {} if self.role is None or self.access is None else capabilities(self.role, self.access)


def decide(holding: Holding, question: Question, now: datetime) -> Decision | None:
    """Answer a question about a key; None: the Membership at hand is older than the key's stamp, so read it afresh."""
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
    if asked is None or _reach(decision, asked) >= level:
        return ""
    return f"{asked}={level.label}"


def _reach(decision: Decision, asked: Capability) -> Level:
    """How far one capability reaches, without working out the others."""
    if decision.role is None or decision.access is None:
        return Level.NONE
    return level_of(decision.role, decision.access, asked)
