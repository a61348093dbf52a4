"""Checks a hand-over, which gives an ApiKey to another member by a change of `spec.membership`, and warns about it.

The members' tokens are judged by their own stamps, so nothing is revoked by the hand-over itself. It gives the next
holder a token, so it has to meet the rules for a new key of that member.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from tenure.domain.admission.key_evidence import ApiKeyEvidence
from tenure.domain.admission.messages import span
from tenure.domain.admission.role_rules import domain_refusal
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership
from tenure.domain.resources.apikey import ApiKeyStatus
from tenure.domain.resources.membership import SubjectKind
from tenure.domain.rotation import overlap_in_force
from tenure.domain.validity import WORKING, follows_generation, validity
from tenure.domain.views import former_view, memberships_of, token_views


def handover_refusals(evidence: ApiKeyEvidence) -> Iterator[str | None]:
    """Yield why a key may not be handed over to this member, or not in this write."""
    old, new, former, target = evidence.change.old, evidence.change.new, evidence.former, evidence.membership
    if old is None or new is None or not evidence.is_handover:
        return
    if former is not None and target is not None and former.spec.organization != target.spec.organization:
        yield (
            f"spec.membership: {former.name} belongs to Organization {former.spec.organization}, and {target.name} to "
            f"{target.spec.organization}. A key stays in its organization. Create another ApiKey for {target.name}."
        )
    if target is not None and evidence.organization is not None:
        yield domain_refusal(evidence.organization, target, "spec.membership")
    if new.revision == old.revision and _forgets_approval(old, former):
        yield (
            f"spec.forRole: Tenure hasn't noted this field of {old.name} beside its token yet, and a hand-over would "
            "free the token from it. Try again in a second. If this stays, raise spec.revision in the same write, "
            f"which revokes the token. Run: kubectl patch apikeys.tenure.dev {old.name} -n {old.namespace} --type "
            f'merge -p \'{{"spec":{{"membership":"{new.spec.membership}","revision":{old.revision + 1}}}}}\''
        )


def unissued(key: ApiKey) -> ApiKey:
    """Return a key that is handed over as its next holder gets it: without a token."""
    return key.model_copy(update={"status": ApiKeyStatus()})


def handover_warnings(evidence: ApiKeyEvidence) -> Iterator[str]:
    """Yield the warnings that say how long the tokens of the former holder stay valid, and what hinders the new one."""
    old, new = evidence.change.old, evidence.change.new
    if old is None or new is None or (outlook := token_outlook(evidence)) is None:
        return
    yield _describe_outlook(old, outlook)
    if evidence.membership is None:
        yield f"spec.membership: {new.name} gets no token of {new.spec.membership} before that Membership is created."
    older = former_view(old)
    if older is not None and _works(older, evidence):
        yield f"spec.membership: the former token {older.status.key_id} of {old.name} is revoked by the hand-over."
    if any(condition.reason == Reason.SECRET_EXPOSED for condition in old.status.conditions):
        yield (
            f"spec.membership: somebody else can read Secret {old.name} (SecretExposed), so Tenure doesn't write "
            f"{new.spec.membership}'s token into it before that is put right. The condition of the ApiKey says how."
        )


@dataclass(frozen=True)
class Outlook:
    """How long the former holder's token stays valid after a hand-over."""

    overlap: timedelta
    """The time after the new token is in the Secret. None at all if it is zero."""

    until: str
    """What ends the token earlier, as the end of a sentence, for example `alice's role changes`."""


def token_outlook(evidence: ApiKeyEvidence) -> Outlook | None:
    """Return how long the present token stays valid if the key is handed over.

    None if it isn't handed over, if the token doesn't work, or if a higher revision revokes it in the same write.
    """
    old, new = evidence.change.old, evidence.change.new
    organization = evidence.organization
    if old is None or new is None or not evidence.is_handover or new.revision > old.revision:
        return None
    holder = evidence.holder_of(old)
    if holder is None or organization is None or not _works(old, evidence):
        return None
    overlap = overlap_in_force(new, organization, evidence.installation.policy(organization))
    follows = follows_generation(old, holder)
    return Outlook(overlap, f"{holder.name}'s role changes" if follows else f"{holder.name} is removed")


def _works(view: ApiKey, evidence: ApiKeyEvidence) -> bool:
    """Return whether one of the key's tokens works, or works again after a suspension."""
    return validity(view, evidence.holder_of(view), evidence.organization, evidence.now) in WORKING


def _describe_outlook(key: ApiKey, outlook: Outlook) -> str:
    token = f"spec.membership: the token {key.status.key_id} of {key.name}"
    if not outlook.overlap:
        return f"{token} stops working once Tenure has replaced it, because its overlap is 0s."
    return f"{token} stays valid for {span(outlook.overlap)} after Tenure has replaced it, or until {outlook.until}."


def _forgets_approval(key: ApiKey, holder: Membership | None) -> bool:
    """Return whether a hand-over would free a token from a `forRole` that was set after the token was issued.

    A service account's token that a role change revoked would work again, because `forRole` belongs to the holder whom
    the key names. Tenure notes it in the stamp, unless the operator is down.
    """
    kind = holder.spec.subject.kind if holder is not None else key.status.subject_kind
    is_persons = kind is SubjectKind.USER and memberships_of(key) == {key.spec.membership}
    if key.spec.for_role is None or key.status.secret_uid is None or is_persons:
        return False  # Of a token that is another member's, it isn't known whether that one is a person.
    stamps = (view.status.issued for view in token_views(key))
    return any(stamp is not None and stamp.for_role is None for stamp in stamps)
