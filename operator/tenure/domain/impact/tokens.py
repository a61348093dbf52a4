"""Finds every token that works before a change and doesn't afterwards, whichever object changes."""

from collections.abc import Iterator
from dataclasses import dataclass

from tenure.domain.admission.affected_keys import with_role
from tenure.domain.impact.step import Step, address_of
from tenure.domain.impact.tree import Address
from tenure.domain.listing import listed_key
from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.planning.obstacles import find_obstacle
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.usage.words import describe_use
from tenure.domain.validity import WORKING, Verdict, validity
from tenure.domain.views import token_views


@dataclass(frozen=True)
class LostToken:
    """A token that stops working."""

    key: Address
    member: str
    """Name of the Membership that the token was issued under. The key may have been handed over since."""

    verdict: Verdict
    """Why the token doesn't work afterwards. It is `Suspended` if it works again later."""

    key_id: str = ""
    """The public id of the token, if a cluster was asked. It names the former token of a rotated key too."""

    use: str = ""
    """When the key was last used, in words, if a cluster was asked and knows it."""

    reissued: bool = False
    """Whether the same change has the key issued again, with a new token."""

    @property
    def fate(self) -> str:
        """What becomes of the key, in one word."""
        if self.reissued:
            return "reissued"
        return "suspended" if self.verdict is Verdict.SUSPENDED else "revoked"


def find_lost_tokens(step: Step) -> Iterator[LostToken]:
    """Yield the tokens that work before the change and not afterwards, sorted by the address of their key.

    Of the tokens that a key has of one member, the first one stands for all.
    """
    for token, before in _working_tokens(step):
        after = _after(step, token)
        if after.verdict not in {before, Verdict.VALID}:
            yield after


def kept_service_account_keys(step: Step, namespace: str) -> Iterator[ApiKey]:
    """Yield the keys of a namespace's service accounts that work before the change and afterwards."""
    lost = {(token.key, token.member) for token in find_lost_tokens(step)}
    for token, _ in _working_tokens(step):
        member = step.base.memberships[Address(token.namespace, token.holder)]
        if token.namespace == namespace and not member.is_person and (address_of(token), token.holder) not in lost:
            yield token


def _working_tokens(step: Step) -> Iterator[tuple[ApiKey, Verdict]]:
    """Yield a view for each member's token of a key that works, and the verdict on it."""
    for key in sorted(step.base.api_keys.values(), key=address_of):
        told = set[str]()
        for view in token_views(key):
            member = step.base.memberships.get(Address(key.namespace, view.holder))
            verdict = validity(view, member, step.base.organization_of(member) if member else None, step.now)
            if verdict in WORKING and view.holder not in told:
                told.add(view.holder)
                yield view, verdict


def _after(step: Step, token: ApiKey) -> LostToken:
    """Return what becomes of a token, lost or not."""
    address, now = address_of(token), step.now
    name, key_id = token.holder, listed_key(token).all_key_ids
    use = describe_use(token, step.base.organization_in(token.namespace), now) if not token.is_handed_over else ""
    changed = step.key_after(token)
    if changed is None or step.change(ApiKey, address).removes:
        return LostToken(address, name, Verdict.NOT_FOUND, key_id, use)
    member = _member_after(step, Address(token.namespace, name))
    organization = _organization_after(step, member, token.namespace)
    verdict = validity(changed, member, organization, now)
    # A key that is handed over gets its next token as another member's, which the report says of the hand-over.
    is_reissued = verdict is not Verdict.SUSPENDED and not changed.is_handed_over and _is_issued(step, changed, verdict)
    return LostToken(address, name, verdict, key_id, use, is_reissued)


def _is_issued(step: Step, key: ApiKey, verdict: Verdict) -> bool:
    """Return whether a key whose token is lost gets another one."""
    address = Address(key.namespace, key.spec.membership)
    member = _member_after(step, address)
    observation = ApiKeyObservation(
        api_key=key,
        membership=member,
        organization=_organization_after(step, member, key.namespace),
        siblings=step.keys_after(address),
        now=step.now,
        installation=step.installation,
    )
    return find_obstacle(observation, verdict) is None


def _member_after(step: Step, address: Address) -> Membership | None:
    """Return the Membership after the change, with the uid and the generation that it has in the cluster."""
    old, new = step.base.memberships.get(address), step.head.memberships.get(address)
    if old is None or new is None:
        return new
    if step.change(Membership, address).removes:
        return None
    return old if old.spec.role is new.spec.role else with_role(old, new.spec.role)


def _organization_after(step: Step, member: Membership | None, namespace: str) -> Organization | None:
    """Return the Organization in force after the change, with the uid that it has in the cluster."""
    new = step.head.organization_of(member) if member else step.head.organization_in(namespace)
    old = None if new is None else step.base.organizations.get(address_of(new))
    if old is None or new is None:
        return new
    if step.change(Organization, address_of(new)).removes:
        return None
    return old.model_copy(update={"spec": new.spec})
