"""What is decided about a change, and how the checks of a kind are asked."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from tenure.domain.admission.authority import explain_missing
from tenure.domain.admission.evidence import Evidence
from tenure.domain.admission.verdict import MAX_MESSAGE, Judgement
from tenure.domain.lease import Lease

E = TypeVar("E", bound=Evidence[Any])

Text = str | Callable[[int], str] | None
"""A refusal; one that is long is made to fit into the characters that the others leave. None: nothing is wrong."""

Check = Callable[[E], Iterable[Text]]


class Rule(StrEnum):
    """What a change can be refused for."""

    METADATA = "metadata"
    DELETION = "deletion"
    GRANTS = "grants"
    OWN_ROLE = "own-role"
    TRANSITION = "transition"
    EMAIL_DOMAIN = "email-domain"
    DUPLICATE = "duplicate"
    LAST_OWNER = "last-owner"
    KEYS_DENIED = "keys-denied"
    UNACKNOWLEDGED = "unacknowledged"
    PROTECTION = "protection"
    PLACEMENT = "placement"
    SECRET_TEMPLATE = "secret-template"  # noqa: S105 - a rule
    EXPIRY = "expiry"
    QUOTA = "quota"


@dataclass(frozen=True)
class Refusal:
    """Why a change is refused, and the rule that says so."""

    rule: Rule
    text: str


@dataclass(frozen=True)
class Claim:
    """The lease that a change has to take before it may be allowed: no other Owner leaves under it.

    Attributes:
        namespace: The organization's.
        holder: The uid of the Owner who leaves.
        held_version: The resourceVersion of that Membership.
        replaces: The lease as it was read; None: there was none.
        lost: The answer if somebody else takes it first.
    """

    namespace: str
    holder: str
    held_version: str
    replaces: Lease | None
    lost: Judgement


@dataclass(frozen=True)
class Decision:
    """What is answered to a change.

    Attributes:
        judgement: The answer.
        refusals: The refusals in it, each with its rule.
        claim: The lease to take first; None: none is needed, or the change isn't allowed, or nothing is to be stored.
    """

    judgement: Judgement
    refusals: tuple[Refusal, ...] = ()
    claim: Claim | None = None


def find_refusals(checks: Mapping[Rule, Check[E]], evidence: E) -> tuple[Refusal, ...]:
    """What the checks say, in their order."""
    found: list[Refusal] = []
    for rule, check in checks.items():
        for text in check(evidence):
            room = MAX_MESSAGE - sum(len(one.text) + 1 for one in found)
            if text is not None:
                found.append(Refusal(rule, text if isinstance(text, str) else text(room)))
    return tuple(found)


def refused(refusals: Iterable[Refusal]) -> Judgement:
    """The answer that holds these refusals."""
    return Judgement().refuse(*(one.text for one in refusals))


def check_deletion(evidence: Evidence[Any]) -> Iterator[Text]:
    """Whoever hands an object to the garbage collector lacks the right to delete it."""
    if evidence.missing_deletion:
        yield explain_missing(evidence.change.requester, evidence.missing_deletion, "metadata.ownerReferences")
