"""Rotations in a model with a clock: clocks that differ, a restored etcd, and many keys between two rotations."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product

import pytest

from support.objects.builders import ISSUED, api_key, edited, issued, membership, organization, shown, with_status
from support.objects.key_model import Cluster, CrashError
from support.run.soak import Figure, size
from tenure.domain.planning.actions import UpdateStatus
from tenure.domain.planning.apikeys import find_key_state, plan_api_key
from tenure.domain.planning.observation import ApiKeyObservation, Siblings
from tenure.domain.planning.states import KeyState
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.rotation import rotates_at, wait_until_due
from tenure.domain.validity import Verdict, validity
from tenure.domain.views import former_view, token_views

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
KEYS = size(short=200, soak=10_000)


@dataclass
class Skewed(Cluster):
    """A key whose operator's clock differs from the API server's, which is `now`."""

    skew: timedelta = timedelta()

    def observe(self, *, reads_secret: bool = True, by: object = None) -> ApiKeyObservation:
        del by
        self.now += self.skew
        try:
            return super().observe(reads_secret=reads_secret)
        finally:
            self.now -= self.skew

    def _announce(self, observation: ApiKeyObservation) -> None:
        if not wait_until_due(observation.api_key, self.now):
            super()._announce(observation)
            token, announced = self.announced or (None, None)
            assert token is not None
            assert announced is not None
            self.announced = token, type(announced)(announced.hash, announced.deliver_at + self.skew)

    def former_works(self, at: datetime) -> bool:
        """Whether a verifier with the API server's clock accepts the former token."""
        view = former_view(self.key)
        return view is not None and validity(view, self.member, self.org, at) is Verdict.VALID


@pytest.mark.parametrize("skew", [-5 * MINUTE, timedelta(), 5 * MINUTE])
def test_with_clocks_five_minutes_apart_each_rotation_is_one_and_the_overlap_ends_no_later(skew: timedelta) -> None:
    cluster = Skewed(key=edited(api_key(), rotation={"every": "10h", "overlap": "1h"}), skew=skew)
    cluster.reconcile()
    began = cluster.now
    first = rotates_at(cluster.key, began)
    assert first is not None
    sequences, accepted = [], 0
    while cluster.now < began + 15 * HOUR:
        cluster.reconcile()
        cluster.witness()
        assert cluster.verdict is Verdict.VALID
        accepted += cluster.former_works(cluster.now)
        assert cluster.key.status.issued is not None
        if cluster.key.status.issued.sequence not in sequences:
            sequences.append(cluster.key.status.issued.sequence)
            assert len(sequences) == 1 or cluster.now >= first, "not early by the clock of the stamps"
        cluster.now += 30 * SECOND
    assert sequences == [1, 2]
    assert 54 * MINUTE <= accepted * 30 * SECOND <= 60 * MINUTE
    if skew == timedelta():
        assert accepted * 30 * SECOND >= 59 * MINUTE


@pytest.mark.parametrize(("taken", "restored"), list(product(range(4), repeat=2)))
@pytest.mark.parametrize("same_process", [True, False])
def test_after_a_restore_of_etcd_an_old_announced_token_is_delivered_or_replaced(
    taken: int, restored: int, *, same_process: bool
) -> None:
    """Take a backup after some writes of a rotation, restore it after some more, and see the rotation end."""
    cluster = Cluster()
    cluster.reconcile_key()
    cluster.key = edited(cluster.key, rotation={"request": 1, "overlap": "1h"})
    write(cluster, taken)
    backup = cluster.key, cluster.secret
    write(cluster, restored)
    cluster.key, cluster.secret = backup
    cluster.announced = cluster.announced if same_process else None
    worked = {view.status.hash for view in token_views(cluster.key)}
    for _ in range(10):
        cluster.reconcile_key()
        cluster.now += 2 * SECOND
        cluster.witness()
    assert shown(plan_api_key(cluster.observe())) == []
    assert cluster.verdict is Verdict.VALID
    assert cluster.secret is not None
    assert cluster.secret.holds_issued_token(cluster.key)
    status = cluster.key.status
    assert (status.next, status.issued and status.issued.sequence) == (None, 2)
    assert status.previous is not None
    assert worked & {status.previous.hash, status.hash}, "no token that worked was ended"


def write(cluster: Cluster, writes: int) -> None:
    """Let the operator make so many writes of a rotation, or all that are left."""
    cluster.writes_left = writes
    with suppress(CrashError):
        for _ in range(5):
            cluster.reconcile_key()
            cluster.now += 2 * SECOND
    cluster.writes_left = None


@pytest.mark.soak
def test_between_rotations_nothing_is_planned_for_keys_with_every(figure: Figure) -> None:
    """Look at each key twelve times, from its issue until just before its rotation, as sweeps do."""
    member, acme, looks = membership(), organization(), 0
    for number in range(KEYS):
        key = edited(issued(api_key(uid=f"key-{number}"), member, acme), rotation={"every": "720h"})
        due = rotates_at(key, ISSUED)
        assert due is not None
        key = settled(key, member, acme)
        for part in range(12):
            at = ISSUED + (due - SECOND - ISSUED) * part / 11
            seen = ApiKeyObservation(key, member, acme, Siblings([key]), at)
            plan = plan_api_key(seen)
            assert plan.actions == ()
            assert plan.wake_at == due
            looks += 1
        assert find_key_state(ApiKeyObservation(key, member, acme, Siblings([key]), due)) is KeyState.TO_ROTATE
    figure(f"{KEYS:,} keys, {looks:,} looks, 0 writes")


def settled(key: ApiKey, member: Membership, acme: Organization) -> ApiKey:
    """Return the key once its status says when it is rotated."""
    (update,) = plan_api_key(ApiKeyObservation(key, member, acme, Siblings([key]), ISSUED)).actions
    assert isinstance(update, UpdateStatus)
    return with_status(key, update.status)
