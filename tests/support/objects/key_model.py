"""One key with all that it depends on as a pure model, and an operator that carries out plans write by write."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from support.objects.builders import NOW, api_key, membership, organization, token_of, with_status
from tenure.domain.planning.actions import (
    Action,
    AnnounceToken,
    DeleteApiKey,
    DeleteSecret,
    DeliverToken,
    IssueToken,
    UpdateStatus,
)
from tenure.domain.planning.apikeys import plan_api_key
from tenure.domain.planning.key_status import (
    announced_status,
    issued_status,
    new_stamp,
    obstructed_status,
    promotion,
)
from tenure.domain.planning.memberships import MembershipObservation, plan_membership
from tenure.domain.planning.observation import Announced, ApiKeyObservation, SecretReading, Tenure
from tenure.domain.planning.rotation import DELIVERY_DELAY
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.apikey import ApiKeyStatus
from tenure.domain.resources.base import format_time
from tenure.domain.resources.stamp import Stamp
from tenure.domain.secret import SecretFacts, is_adoptable, stamp_text
from tenure.domain.tokens import Token
from tenure.domain.validity import Verdict, validity
from tenure.domain.views import memberships_of, token_views

ENDED = {
    Verdict.ROLE_CHANGED,
    Verdict.ROLE_MISMATCH,
    Verdict.EXPIRED,
    Verdict.MEMBERSHIP_GONE,
    Verdict.ORGANIZATION_GONE,
    Verdict.NOT_FOUND,
}
"""Answers after which a token never works again."""


class CrashError(Exception):
    """The operator died instead of making its next write."""


@dataclass
class Cluster:
    """One key, its Secret, its Membership and its Organization."""

    key: ApiKey = field(default_factory=api_key)
    member: Membership | None = field(default_factory=membership)
    org: Organization | None = field(default_factory=organization)
    secret: SecretFacts | None = None
    now: datetime = NOW
    is_gone: bool = False
    """Whether the ApiKey was deleted."""
    is_overlooked: bool = False
    """Whether the Membership is reconciled by a cache that lacks the key."""
    writes_left: int | None = None
    """How many writes the operator makes before it dies; None: it lives."""
    former_member: Membership | None = None
    """The Membership before its last role change, as a cache that is behind has it."""
    minted: list[Token] = field(default_factory=list)
    births: int = 0
    """How many Memberships, Organizations and ApiKeys were created again, for their uids."""
    dead: set[str] = field(default_factory=set)
    """Hashes of tokens that must never work again."""
    owners: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    """By its uid and the name in its spec the uid of the Membership that each ApiKey belongs to, as far as the operator
    recorded it, and the revision that was asked for then. If it saw them and died before it wrote, that is as if it had
    been down."""
    announced: tuple[Token, Announced] | None = None
    """The token that the operator announced, in its memory."""
    others: dict[str, Membership] = field(default_factory=dict)
    """Further Memberships, by name, which the key can be handed over to."""
    issued_to: dict[str, str] = field(default_factory=dict)
    """For the hash of each token the name of the Membership that it was issued under."""
    asks_webhook: bool = True
    """Whether the webhook reviews edits of the key. Only it sees what happens while the operator is down."""

    @property
    def members(self) -> dict[str, Membership]:
        """All Memberships, by name."""
        return self.others if self.member is None else {**self.others, self.member.name: self.member}

    @property
    def verdict(self) -> Verdict:
        """Whether the key's present token works."""
        return self.judge(self.key)

    def judge(self, view: ApiKey) -> Verdict:
        """Whether one of the key's tokens works."""
        return validity(view, self.members.get(view.holder), self.org, self.now)

    @property
    def delivers_dead_token(self) -> bool:
        """Whether a Secret that Tenure made holds a token that must never work again."""
        return self.secret is not None and self.secret.token is not None and self.secret.token.hash in self.dead

    def witness(self) -> None:
        """Ask whether each token works, as the verifier does after each event. One that ended has ended."""
        if self.is_gone:
            return
        for view in token_views(self.key):
            verdict, token = self.judge(view), view.status.hash
            if verdict in (Verdict.VALID, Verdict.SUSPENDED):
                assert token not in self.dead, "a dead token works"
            elif verdict in ENDED and token is not None:
                self.dead.add(token)

    def kill(self, of: str | None = None) -> None:
        """From now on no token that was minted so far may work, or none of those of a member."""
        self.dead |= {token.hash for token in self.minted if of in (None, self.issued_to[token.hash])}

    def observe(self, *, reads_secret: bool = True, by: Membership | None = None) -> ApiKeyObservation:
        """What the operator observes; the Organization only through the Membership, as the cache gives it."""
        members = self.members if by is None else {**self.members, by.name: by}
        member = members.get(self.key.spec.membership)
        org = self.org if member is not None else None
        others = {
            name: Tenure(members.get(name), self.org if name in members else None)
            for name in memberships_of(self.key) - {self.key.spec.membership}
        }
        reading = SecretReading(self.secret) if reads_secret or self.key.status.next is not None else None
        announced = self.announced[1] if self.announced is not None else None
        return ApiKeyObservation(self.key, member, org, [self.key], self.now, reading, announced, others=others)

    def observe_member(self, member: Membership | None = None) -> MembershipObservation | None:
        """What the operator observes of a Membership, by default of `member`; None: there is none."""
        member = member or self.member
        if member is None:
            return None
        is_known = not self.is_gone and not self.is_overlooked and member.name in memberships_of(self.key)
        return MembershipObservation(member, self.org, [self.key] if is_known else [], self.now)

    def reconcile(self) -> bool:
        """Carry one round out; returns whether the ApiKey is still there."""
        self.reconcile_member()
        self.reconcile_others()
        self.reconcile_key()
        return not self.is_gone

    def reconcile_member(self) -> tuple[Action, ...]:
        """Carry out the plan for the Membership; returns its actions."""
        observation = self.observe_member()
        actions = plan_membership(observation).actions if observation is not None else ()
        for action in actions:
            if isinstance(action, UpdateStatus) and self.member is not None:
                self._write()
                self.member = with_status(self.member, action.status)
        return actions

    def reconcile_others(self) -> None:
        """Carry out the plans for the other Memberships."""
        for other in list(self.others.values()):
            seen = self.observe_member(other)
            for action in plan_membership(seen).actions if seen is not None else ():
                if isinstance(action, UpdateStatus):
                    self._write()
                    self.others[other.name] = with_status(other, action.status)

    def reconcile_key(self, observation: ApiKeyObservation | None = None) -> tuple[Action, ...]:
        """Carry out the plan for the key; returns its actions."""
        if self.is_gone:
            return ()
        observation = observation or self.observe()
        actions = plan_api_key(observation).actions
        for action in actions:
            match action:
                case DeleteSecret(uid) if self.secret is not None and self.secret.uid == uid:
                    self._write()
                    self.secret = None
                case IssueToken() | AnnounceToken() | DeliverToken():
                    self._give_token(action, observation)
                case UpdateStatus(ApiKeyStatus() as status):
                    self._update(status)
                case DeleteApiKey():
                    self._write()
                    self._assert_recorded(token_views(self.key))
                    self.is_gone = True
                    if self.secret is not None and self.secret.is_owned_by(self.key):
                        self.secret = None  # The garbage collector deletes it.
        if actions and not self.is_gone:
            self._note_owner(observation, is_first=True)
        return actions

    def _note_owner(self, observation: ApiKeyObservation, *, is_first: bool = False) -> None:
        """Note which Membership the key belongs to, once the operator has recorded it."""
        key, member = observation.api_key, observation.membership
        pair = (key.metadata.uid, key.spec.membership)
        if member is not None and not (is_first and pair in self.owners):
            self.owners[pair] = (member.metadata.uid, key.revision)

    def _give_token(self, action: Action, observation: ApiKeyObservation) -> None:
        match action:
            case IssueToken():
                self._issue(observation)
            case AnnounceToken():
                self._announce(observation)
            case DeliverToken():
                self._deliver(observation)

    def _write(self) -> None:
        if self.writes_left is not None:
            if self.writes_left == 0:
                raise CrashError
            self.writes_left -= 1

    def _update(self, status: ApiKeyStatus) -> None:
        self._write()
        new = with_status(self.key, status)
        is_kept = status.secret_uid == self.key.status.secret_uid
        kept = {view.status.hash for view in token_views(new)} if is_kept else set()
        self._assert_recorded(view for view in token_views(self.key) if view.status.hash not in kept)
        self.key = new

    def _assert_recorded(self, views: Iterable[ApiKey]) -> None:
        """No ApiKey loses what its record is made of before the record of the role change lists it."""
        for view in views:
            stamp, member = view.status.issued, self.members.get(view.holder)
            if stamp is None or member is None or stamp.membership_uid != member.metadata.uid:
                continue
            follows = member.is_person or stamp.for_role or self.key.spec.for_role
            if self.key.status.secret_uid is None or not follows:
                continue
            if stamp.membership_generation < member.metadata.generation:
                change = member.status.last_role_change
                assert change is not None, "revoked without a record"
                assert change.generation == member.metadata.generation, "revoked by the record of another role change"
                assert view.status.key_id in {ended.key_id for ended in change.keys}, "revoked and not listed"

    def _assert_entitled(self, observation: ApiKeyObservation) -> None:
        """No key passes to the next holder of a Membership's name by itself."""
        key, member = observation.api_key, observation.recipient.membership
        assert member is not None
        owner, revision = self.owners.get((key.metadata.uid, member.name), (member.metadata.uid, 0))
        if owner != member.metadata.uid:
            is_younger = key.metadata.creation_timestamp > member.metadata.creation_timestamp
            assert key.revision > revision or is_younger, "issued to the next holder of the name"

    def _issue(self, observation: ApiKeyObservation) -> None:
        self._assert_entitled(observation)
        stamp = new_stamp(observation, self.now, observation.recipient)
        if self.secret is not None and not self.secret.is_owned_by(self.key):
            self._update(obstructed_status(observation, Reason.SECRET_CONFLICT, "in the way"))
            return
        if self.secret is None or not is_adoptable(self.secret, self.key, stamp):
            self._write()
            self._put_secret(observation, self._mint(stamp), stamp)
        assert self.secret is not None
        token = self.secret.token or token_of(self.key)
        self.issued_to[token.hash] = stamp.membership or ""
        stamp = stamp.model_copy(update={"at": self.secret.written_at(self.now)})
        self._update(
            issued_status(observation, stamp, key_id=token.key_id, token_hash=token.hash, secret_uid=self.secret.uid)
        )
        self._note_owner(observation)

    def _mint(self, stamp: Stamp) -> Token:
        token = Token.mint(hashlib.sha384(f"{len(self.minted)}".encode()).digest())
        self.minted.append(token)
        self.issued_to[token.hash] = stamp.membership or ""
        return token

    def _put_secret(self, observation: ApiKeyObservation, token: Token, stamp: Stamp) -> None:
        """Write a token in place if the status names the Secret, or else create another one."""
        now = format_time(self.now)
        if self.secret is not None and self.secret.uid == observation.api_key.status.secret_uid:
            self.secret = replace(self.secret, token=token, stamp=stamp_text(stamp), written=now)
        else:
            uid = f"secret-{len(self.minted)}"
            self.secret = SecretFacts(uid, now, self.key.metadata.uid, token, stamp_text(stamp))

    def _announce(self, observation: ApiKeyObservation) -> None:
        stamp = new_stamp(observation, self.now)
        token = self._mint(stamp)
        self._update(announced_status(observation, stamp, key_id=token.key_id, token_hash=token.hash))
        self.announced = token, Announced(token.hash, self.now + DELIVERY_DELAY)

    def _deliver(self, observation: ApiKeyObservation) -> None:
        assert self.announced is not None
        assert self.key.status.next is not None
        self._write()
        self._put_secret(observation, self.announced[0], self.key.status.next.issued)
        for action in promotion(replace(observation, secret=SecretReading(self.secret))):
            if isinstance(action, UpdateStatus) and isinstance(action.status, ApiKeyStatus):
                self._update(action.status)
