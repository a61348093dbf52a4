"""The decision about a change, and the functions that run the checks of a kind."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from tenure.domain.admission.authority import explain_missing
from tenure.domain.admission.evidence import Evidence
from tenure.domain.admission.verdict import MAX_MESSAGE, Judgement
from tenure.domain.lease import Lease

E = TypeVar("E", bound=Evidence[Any])

Text = str | Callable[[int], str] | None
"""A refusal, or None if nothing is wrong. A long one is a function of the number of characters that are left for it."""

Check = Callable[[E], Iterable[Text]]
"""A rule, as a function that yields what a change does wrong."""


@dataclass(frozen=True)
class Refusal:
    """Why a change is rejected, and by which rule."""

    rule: Check[Any]
    text: str


@dataclass(frozen=True)
class Claim:
    """The lease that a change has to take before it is allowed. While it is held, no other Owner can leave.

    Attributes:
        namespace: The organization's namespace.
        holder: The uid of the Membership of the Owner who leaves, or the name of the first Owner's (`arriving`).
        held_version: The resourceVersion of that Membership. Empty for the first Owner.
        replaces: The lease as it was read, or None if there was none.
        lost: The answer if another change takes the lease first.
    """

    namespace: str
    holder: str
    held_version: str
    replaces: Lease | None
    lost: Judgement


@dataclass(frozen=True)
class Decision:
    """The decision about a change.

    Attributes:
        judgement: The answer.
        refusals: The refusals in it, each with its rule.
        claim: The lease to take first. None if the change needs none, isn't allowed or is a dry-run.
        line: The lease with the Owner who has to wait in it, to be written. None if the Owner needn't wait, or waits
            already.
    """

    judgement: Judgement
    refusals: tuple[Refusal, ...] = ()
    claim: Claim | None = None
    line: Lease | None = None


def find_refusals(checks: Iterable[Check[E]], evidence: E) -> tuple[Refusal, ...]:
    """Run the checks in their order, and return the refusals."""
    found: list[Refusal] = []
    for check in checks:
        for text in check(evidence):
            room = MAX_MESSAGE - sum(len(one.text) + 1 for one in found)
            if text is not None:
                found.append(Refusal(check, text if isinstance(text, str) else text(room)))
    return tuple(found)


def refused(refusals: Iterable[Refusal]) -> Judgement:
    """Return the answer with these refusals."""
    return Judgement().refuse(*(one.text for one in refusals))


def check_deletion(evidence: Evidence[Any]) -> Iterator[Text]:
    """Reject handing an object to the garbage collector if the requester may not delete it."""
    if evidence.missing_deletion:
        yield explain_missing(evidence.change.requester, evidence.missing_deletion, "metadata.ownerReferences")
