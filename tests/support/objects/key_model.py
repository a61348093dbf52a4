"""One key with all that it depends on as a pure model, and an operator that carries out plans write by write."""

import hashlib
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
from tenure.domain.planning.observation import Announced, ApiKeyObservation, SecretReading
from tenure.domain.planning.rotation import DELIVERY_DELAY
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.apikey import ApiKeyStatus
from tenure.domain.resources.base import format_time
from tenure.domain.resources.stamp import Stamp
from tenure.domain.secret import SecretFacts, is_adoptable, stamp_text
from tenure.domain.tokens import Token
from tenure.domain.validity import Verdict, validity
from tenure.domain.views import token_views

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
    owners: dict[str, tuple[str, int]] = field(default_factory=dict)
    """The uid of the Membership that each ApiKey belongs to, as far as the operator recorded it, and the revision that
    was asked for then. If it saw them and died before it wrote, that is as if it had been down."""
    announced: tuple[Token, Announced] | None = None
    """The token that the operator announced, in its memory."""
    asks_webhook: bool = True
    """Whether the webhook reviews edits of the key. Only it sees what happens while the operator is down."""

    @property
    def verdict(self) -> Verdict:
        return validity(self.key, self.member, self.org, self.now)

    @property
    def delivers_dead_token(self) -> bool:
        """Whether a Secret that Tenure made holds a token that must never work again."""
        return self.secret is not None and self.secret.token is not None and self.secret.token.hash in self.dead

    def witness(self) -> None:
        """Ask whether each token works, as the verifier does after each event. One that ended has ended."""
        if self.is_gone:
            return
        for view in token_views(self.key):
            verdict, token = validity(view, self.member, self.org, self.now), view.status.hash
            if verdict in (Verdict.VALID, Verdict.SUSPENDED):
                assert token not in self.dead, "a dead token works"
            elif verdict in ENDED and token is not None:
                self.dead.add(token)

    def kill(self) -> None:
        """From now on no token that was minted so far may work."""
        self.dead |= {token.hash for token in self.minted}

    def observe(self, *, reads_secret: bool = True, by: Membership | None = None) -> ApiKeyObservation:
        """What the operator observes; the Organization only through the Membership, as the cache gives it."""
        member = by or self.member
        org = self.org if member is not None else None
        reading = SecretReading(self.secret) if reads_secret or self.key.status.next is not None else None
        announced = self.announced[1] if self.announced is not None else None
        return ApiKeyObservation(self.key, member, org, [self.key], self.now, reading, announced)

    def observe_member(self) -> MembershipObservation | None:
        """What the operator observes of the Membership; None: there is none."""
        if self.member is None:
            return None
        keys = [] if self.is_gone or self.is_overlooked else [self.key]
        return MembershipObservation(self.member, self.org, keys, self.now)

    def reconcile(self) -> bool:
        """Carry one round out; returns whether the ApiKey is still there."""
        self.reconcile_member()
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
                    self._assert_recorded()
                    self.is_gone = True
                    if self.secret is not None and self.secret.is_owned_by(self.key):
                        self.secret = None  # The garbage collector deletes it.
        if actions and not self.is_gone:
            self._note_owner(observation, is_first=True)
        return actions

    def _note_owner(self, observation: ApiKeyObservation, *, is_first: bool = False) -> None:
        """Note which Membership the key belongs to, once the operator has recorded it."""
        key, member = observation.api_key, observation.membership
        if member is not None and not (is_first and key.metadata.uid in self.owners):
            self.owners[key.metadata.uid] = (member.metadata.uid, key.revision)

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
        if status.secret_uid != self.key.status.secret_uid:
            self._assert_recorded()
        self.key = with_status(self.key, status)

    def _assert_recorded(self) -> None:
        """No ApiKey loses what its record is made of before the record of the role change lists it."""
        stamp, member = self.key.status.issued, self.member
        if stamp is None or member is None or stamp.membership_uid != member.metadata.uid:
            return
        follows = member.is_person or stamp.for_role or self.key.spec.for_role
        if self.key.status.secret_uid is None or not follows:
            return
        if stamp.membership_generation < member.metadata.generation:
            change = member.status.last_role_change
            assert change is not None, "revoked without a record"
            assert change.generation == member.metadata.generation, "revoked by the record of another role change"
            tokens = {view.status.key_id for view in token_views(self.key)}
            assert tokens <= {ended.key_id for ended in change.keys}, "revoked and not listed"

    def _assert_entitled(self, observation: ApiKeyObservation) -> None:
        """No key passes to the next holder of a Membership's name by itself."""
        key, member = observation.api_key, observation.membership
        assert member is not None
        owner, revision = self.owners.get(key.metadata.uid, (member.metadata.uid, 0))
        if owner != member.metadata.uid:
            is_younger = key.metadata.creation_timestamp > member.metadata.creation_timestamp
            assert key.revision > revision or is_younger, "issued to the next holder of the name"

    def _issue(self, observation: ApiKeyObservation) -> None:
        self._assert_entitled(observation)
        stamp = new_stamp(observation, self.now)
        if self.secret is not None and not self.secret.is_owned_by(self.key):
            self._update(obstructed_status(observation, Reason.SECRET_CONFLICT, "in the way"))
            return
        if self.secret is None or not is_adoptable(self.secret, self.key, stamp):
            self._write()
            self._put_secret(observation, self._mint(), stamp)
        assert self.secret is not None
        token = self.secret.token or token_of(self.key)
        stamp = stamp.model_copy(update={"at": self.secret.written_at(self.now)})
        self._update(
            issued_status(observation, stamp, key_id=token.key_id, token_hash=token.hash, secret_uid=self.secret.uid)
        )
        self._note_owner(observation)

    def _mint(self) -> Token:
        token = Token.mint(hashlib.sha384(f"{len(self.minted)}".encode()).digest())
        self.minted.append(token)
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
        token, stamp = self._mint(), new_stamp(observation, self.now)
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
