"""The plan for an ApiKey: tables of what is seen and what is done about it."""

from dataclasses import replace
from datetime import timedelta
from typing import Unpack

import pytest

from support.objects.builders import (
    ISSUED,
    NOW,
    Issue,
    api_key,
    condition,
    edited,
    issued,
    membership,
    organization,
    shown,
    token_of,
    with_status,
)
from support.objects.invitations import inviting
from tenure.domain.planning.actions import UpdateStatus
from tenure.domain.planning.apikeys import plan_api_key
from tenure.domain.planning.key_status import issued_status, new_stamp, obstructed_status
from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.reasons import STATES, ConditionType, Reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.apikey import ApiKeyStatus
from tenure.domain.resources.base import format_time
from tenure.domain.secret import NO_TEMPLATE

MEMBER, ORG = membership(), organization()
DEMOTED = membership(role="Viewer", generation=2)
EXPIRING = organization(keys={"requireExpiry": True, "maxTTL": "24h"})


def seen(key: ApiKey, member: Membership | None = MEMBER, org: Organization | None = ORG) -> ApiKeyObservation:
    return ApiKeyObservation(api_key=key, membership=member, organization=org, siblings=[key], now=NOW)


def live(key: ApiKey, member: Membership = MEMBER, org: Organization = ORG, **overrides: Unpack[Issue]) -> ApiKey:
    """A key that was issued under these two, with nothing left to do."""
    key = issued(key, member, org, **overrides)
    for action in plan_api_key(seen(key, member, org)).actions:
        assert isinstance(action, UpdateStatus)
        key = with_status(key, action.status)
    return key


LIVE = live(api_key())
TOMBSTONE = issued(api_key(), MEMBER, ORG, secret_uid=None, reason="RoleChanged")

ACCEPTANCE = {"invitation": {"generation": 1, "acceptedAt": format_time(NOW)}}
NEWCOMER, ACCEPTED = membership(created=NOW), membership(created=NOW, status=ACCEPTANCE)
APPROVAL = {"membershipUID": NEWCOMER.metadata.uid, "membershipGeneration": 1, "revision": 1}
PENDING = condition("Ready", "InvitationPending", holds=False)
WAITED = api_key(created=NOW, status={"observedGeneration": 1, "conditions": [PENDING], "approval": APPROVAL})

TABLE = {
    "new": (seen(api_key()), ["IssueToken"]),
    "new, no membership": (seen(api_key(), None, None), ["UpdateStatus MembershipNotFound"]),
    "new, membership going": (seen(api_key(), membership(deleting=True)), ["UpdateStatus MembershipNotFound"]),
    "new, no organization": (seen(api_key(), MEMBER, None), ["UpdateStatus OrganizationNotFound"]),
    "new, organization going": (
        seen(api_key(), MEMBER, organization(deleting=True)),
        ["UpdateStatus OrganizationNotFound"],
    ),
    "new, narrowed": (seen(api_key(capabilities=["costs"])), ["IssueToken"]),
    "narrowed": (seen(live(api_key(capabilities=["costs"]))), []),
    "narrowed, issued by a version that doesn't know it": (
        seen(issued(api_key(capabilities=["costs"]), MEMBER, ORG, capabilities=None)),
        ["IssueToken"],
    ),
    "new, for the role": (seen(api_key(for_role="Member")), ["IssueToken"]),
    "new, for another role": (seen(api_key(for_role="Owner")), ["UpdateStatus RoleMismatch"]),
    "new, time over": (seen(api_key(expires_at="2027-02-22T08:30:00Z")), ["EmitEvent Expired", "UpdateStatus Expired"]),
    "new, suspended": (seen(api_key(suspended=True)), ["UpdateStatus Suspended"]),
    "new, member suspended": (
        seen(api_key(), MEMBER, organization(suspended_members=["alice"])),
        ["UpdateStatus Suspended"],
    ),
    "new, not accepted": (seen(api_key(created=NOW), NEWCOMER, inviting()), ["UpdateStatus InvitationPending"]),
    "new, not accepted, for the role": (
        seen(api_key(created=NOW, for_role="Member"), NEWCOMER, inviting()),
        ["UpdateStatus InvitationPending"],
    ),
    "new, accepted": (seen(api_key(created=NOW), ACCEPTED, inviting()), ["IssueToken"]),
    "new, invited without having to accept": (seen(api_key(created=NOW), NEWCOMER, inviting("Notify")), ["IssueToken"]),
    "new, of a member from before": (seen(api_key(), MEMBER, inviting()), ["IssueToken"]),
    "new, of a service account": (
        seen(api_key(created=NOW), membership(kind="ServiceAccount", created=NOW), inviting()),
        ["IssueToken"],
    ),
    "waited, then accepted": (seen(WAITED, ACCEPTED, inviting()), ["IssueToken"]),
    "waited, accepted another role": (
        seen(WAITED, membership(created=NOW, role="Viewer", generation=2, status=ACCEPTANCE), inviting()),
        ["UpdateStatus RoleChanged"],
    ),
    "not accepted, and it never would be issued": (
        seen(api_key(created=NOW, for_role="Owner"), NEWCOMER, inviting()),
        ["UpdateStatus RoleMismatch"],
    ),
    "not accepted, and suspended": (
        seen(api_key(created=NOW, suspended=True), NEWCOMER, inviting()),
        ["UpdateStatus Suspended"],
    ),
    # An acceptance never decides about a token: one that works stays, whatever became of the acceptance.
    "live, not accepted": (seen(live(api_key(created=NOW), NEWCOMER), NEWCOMER, inviting()), []),
    "live, accepted, revision raised": (
        seen(edited(live(api_key(created=NOW), ACCEPTED), revision=2), ACCEPTED, inviting()),
        ["IssueToken"],
    ),
    "new, going": (seen(api_key(deleting=True)), ["UpdateStatus Deleting"]),
    "new, no expiry": (
        seen(api_key(), MEMBER, EXPIRING),
        ["EmitEvent PolicyViolation", "UpdateStatus PolicyViolation"],
    ),
    "new, ttl too long": (
        seen(api_key(ttl="24h1s"), MEMBER, EXPIRING),
        ["EmitEvent PolicyViolation", "UpdateStatus PolicyViolation"],
    ),
    "new, expiresAt too late": (
        seen(api_key(expires_at="2027-02-23T08:30:01Z"), MEMBER, EXPIRING),
        ["EmitEvent PolicyViolation", "UpdateStatus PolicyViolation"],
    ),
    "new, the longest ttl": (seen(api_key(ttl="24h"), MEMBER, EXPIRING), ["IssueToken"]),
    "new, the latest expiresAt": (
        seen(api_key(expires_at="2027-02-23T08:30:00Z", created=NOW), MEMBER, EXPIRING),
        ["IssueToken"],
    ),
    "new, no expiry, maxTTL alone": (seen(api_key(), MEMBER, organization(keys={"maxTTL": "24h"})), ["IssueToken"]),
    "live": (seen(LIVE), []),
    "live, policy tightened": (seen(LIVE, MEMBER, EXPIRING), []),
    "live, no membership": (seen(LIVE, None, None), ["DeleteSecret", "UpdateStatus MembershipGone"]),
    "live, membership going": (
        seen(LIVE, membership(deleting=True)),
        ["DeleteSecret", "UpdateStatus MembershipGone"],
    ),
    "live, membership created again": (
        seen(LIVE, membership(uid="another")),
        ["DeleteSecret", "UpdateStatus MembershipGone"],
    ),
    "live, no organization": (seen(LIVE, MEMBER, None), ["DeleteSecret", "UpdateStatus OrganizationGone"]),
    "live, organization going": (
        seen(LIVE, MEMBER, organization(deleting=True)),
        ["DeleteSecret", "UpdateStatus OrganizationGone"],
    ),
    "live, organization created again": (
        seen(LIVE, MEMBER, organization(uid="another")),
        ["DeleteSecret", "UpdateStatus OrganizationGone"],
    ),
    "live, going": (
        seen(issued(api_key(deleting=True), MEMBER, ORG)),
        ["DeleteSecret", "UpdateStatus Deleting"],
    ),
    "live, time over": (
        seen(issued(api_key(ttl="1h"), MEMBER, ORG)),
        ["DeleteSecret", "EmitEvent Expired", "UpdateStatus Expired"],
    ),
    "live, suspended": (seen(edited(LIVE, suspended=True)), ["UpdateStatus Suspended"]),
    "live, organization suspended": (seen(LIVE, MEMBER, organization(suspended=True)), ["UpdateStatus Suspended"]),
    "live, member suspended": (
        seen(LIVE, MEMBER, organization(suspended_members=["alice"])),
        ["UpdateStatus Suspended"],
    ),
    "live, mirror behind": (seen(issued(api_key(), MEMBER, ORG, membership_generation=2)), []),
    "live, revision raised": (seen(edited(LIVE, revision=2)), ["IssueToken"]),
    "live, forRole set to the role": (seen(edited(LIVE, forRole="Member")), ["UpdateStatus Issued"]),
    "live, forRole set to another": (seen(edited(LIVE, forRole="Owner")), ["UpdateStatus Issued"]),
    "live, forRole set to another and revision raised": (
        seen(edited(LIVE, forRole="Owner", revision=2)),
        ["DeleteSecret", "UpdateStatus RoleMismatch"],
    ),
    "tombstone": (seen(TOMBSTONE, DEMOTED), ["UpdateStatus RoleChanged"]),
    "tombstone, forRole set": (seen(edited(TOMBSTONE, forRole="Viewer"), DEMOTED), ["IssueToken"]),
    "tombstone, forRole set to the former role": (
        seen(edited(TOMBSTONE, forRole="Member"), DEMOTED),
        ["UpdateStatus RoleMismatch"],
    ),
    "tombstone, revision raised": (seen(edited(TOMBSTONE, revision=2), DEMOTED), ["IssueToken"]),
    "tombstone, policy Delete": (
        seen(TOMBSTONE, DEMOTED, organization(keys={"onRoleChange": "Delete"})),
        ["UpdateStatus RoleChanged"],
    ),
    "tombstone, role changed back": (seen(TOMBSTONE, membership(generation=3)), ["UpdateStatus RoleChanged"]),
    "tombstone, its time over too": (
        seen(edited(issued(api_key(ttl="1h"), MEMBER, ORG, secret_uid=None), forRole="Viewer"), DEMOTED),
        ["EmitEvent Expired", "UpdateStatus Expired"],
    ),
    "membership created again, revision raised": (
        seen(edited(LIVE, revision=2), membership(uid="another")),
        ["DeleteSecret", "IssueToken"],
    ),
    "service account, role changed": (
        seen(live(api_key(), membership(kind="ServiceAccount")), membership(kind="ServiceAccount", generation=2)),
        ["UpdateStatus Issued"],
    ),
    "expired, revision raised": (
        seen(edited(issued(api_key(ttl="1h"), MEMBER, ORG, secret_uid=None, reason="Expired"), revision=2)),
        ["IssueToken"],
    ),
    "expired by expiresAt, revision raised": (
        seen(edited(issued(api_key(expires_at="2027-02-01T00:00:00Z"), MEMBER, ORG, secret_uid=None), revision=2)),
        ["EmitEvent Expired", "UpdateStatus Expired"],
    ),
    "member displaced": (replace(seen(api_key()), displaced_by="old-alice"), ["UpdateStatus DuplicateSubject"]),
    "live, member displaced": (replace(seen(live(api_key())), displaced_by="old-alice"), []),
    "conflict over": (seen(issued(api_key(), MEMBER, ORG, secret_uid=None, reason="SecretConflict")), ["IssueToken"]),
}


@pytest.mark.parametrize(("observation", "actions"), [pytest.param(*row, id=name) for name, row in TABLE.items()])
def test_what_is_seen_decides_what_is_done(observation: ApiKeyObservation, actions: list[str]) -> None:
    plan = plan_api_key(observation)
    assert shown(plan) == actions
    assert plan.needs_fresh_read == (observation is TABLE["live, mirror behind"][0])
    assert not plan.awaits_record
    ends_or_issues = any(action in {"DeleteSecret", "DeleteApiKey", "IssueToken"} for action in actions)
    assert plan.needs_proof == (ends_or_issues or plan.needs_fresh_read)


def test_a_rotation_never_waits_for_an_acceptance() -> None:
    """The key works already, and a token that isn't replaced would only live longer."""
    key = edited(live(api_key(created=NOW), NEWCOMER), rotation={"request": 1})
    assert shown(plan_api_key(seen(key, NEWCOMER, inviting()))) == ["AnnounceToken"]


def _delivered(key: ApiKey) -> ApiKeyStatus:
    stamp = new_stamp(seen(key), ISSUED)
    return issued_status(seen(key), stamp, key_id="k" * 12, token_hash=token_of(key).hash, secret_uid="secret-1")


def test_every_reason_of_the_table_of_states_is_reached_as_it_says() -> None:
    statuses = [_delivered(api_key()), obstructed_status(seen(api_key()), Reason.SECRET_CONFLICT, "in the way")]
    statuses.append(obstructed_status(seen(api_key()), Reason.SECRET_EXPOSED, "a former holder"))
    statuses.append(obstructed_status(seen(api_key()), Reason.SECRET_REJECTED, "a bad label"))
    over = replace(seen(api_key(), MEMBER, organization(keys={"maxPerMember": 1})), siblings=[live(api_key("older"))])
    statuses.extend(
        action.status
        for observation in [over, *(observation for observation, _ in TABLE.values())]
        for action in plan_api_key(observation).actions
        if isinstance(action, UpdateStatus) and isinstance(action.status, ApiKeyStatus)
    )
    reached = {
        (condition.type, condition.status, condition.reason, len(status.conditions) > 1)
        for status in statuses
        for condition in status.conditions[:1]
    }
    assert reached == {
        (state.type, state.status, state.reason, state.stalled)
        for state in STATES
        if state.kind == "ApiKey" and state.type is ConditionType.READY
    }


def test_the_status_of_a_narrowed_token_has_its_stamp_and_the_hash_that_older_versions_lack() -> None:
    key = api_key(capabilities=["costs", "clusters"])
    status = _delivered(key)
    assert status.issued is not None
    assert (status.issued.capabilities, status.hash) == (["clusters", "costs"], token_of(key).hash)
    assert status.hash is not None
    assert status.hash.startswith("narrowed-sha256:")
    assert _delivered(api_key()).hash == token_of(api_key()).hash


def test_a_delivered_key_says_all_about_its_token_but_the_token() -> None:
    key = api_key(ttl="24h", for_role="Member", revision=3, generation=5)
    status = _delivered(key)
    body = status.model_dump(by_alias=True, mode="json", exclude_none=True)
    (ready,) = body.pop("conditions")
    assert (ready["type"], ready["status"], ready["reason"]) == ("Ready", "True", "Issued")
    assert ready["lastTransitionTime"] == "2027-02-22T08:30:00Z"
    assert body == {
        "observedGeneration": 5,
        "keyId": "k" * 12,
        "hash": token_of(key).hash,
        "secretName": "ci-deploy",
        "secretUID": "secret-1",
        "subjectKind": "User",
        "expiresAt": "2027-01-05T09:01:00Z",
        "issued": {
            "organizationUID": ORG.metadata.uid,
            "membershipUID": MEMBER.metadata.uid,
            "membershipGeneration": 1,
            "role": "Member",
            "revision": 3,
            "forRole": "Member",
            "templateDigest": NO_TEMPLATE,
            "at": "2027-01-04T09:01:00Z",
            "membership": "alice",
            "sequence": 1,
        },
    }


def test_what_was_delivered_is_left_alone() -> None:
    key = api_key(ttl="9999h", for_role="Member", revision=3)
    assert plan_api_key(seen(with_status(key, _delivered(key)))).actions == ()


def test_an_ended_key_keeps_what_explains_it_and_drops_what_leads_to_its_secret() -> None:
    _, action = plan_api_key(seen(LIVE, None, None)).actions
    assert isinstance(action, UpdateStatus)
    assert isinstance(action.status, ApiKeyStatus)
    assert action.status.secret_name is None
    assert action.status.secret_uid is None
    kept = {"key_id", "hash", "issued", "subject_kind"}
    assert action.status.model_dump(include=kept) == LIVE.status.model_dump(include=kept)


@pytest.mark.parametrize(
    ("observation", "wakes"),
    [
        pytest.param(seen(LIVE), None, id="live for good"),
        pytest.param(seen(live(api_key(ttl="9999h"))), ISSUED + timedelta(hours=9999), id="live with ttl"),
        pytest.param(seen(api_key(ttl="1h"), None), NOW + timedelta(minutes=10), id="waits with ttl"),
        pytest.param(
            seen(api_key(expires_at="2027-02-22T08:35:00Z"), None),
            NOW + timedelta(minutes=5),
            id="waits with expiresAt",
        ),
        pytest.param(seen(api_key(for_role="Owner", ttl="1h")), NOW + timedelta(seconds=5), id="isn't stalled yet"),
        pytest.param(
            seen(api_key(for_role="Owner", expires_at="2027-02-22T08:30:03Z")),
            NOW + timedelta(seconds=3),
            id="isn't stalled yet, and expires before",
        ),
        pytest.param(seen(api_key(expires_at="2027-02-01T00:00:00Z")), None, id="over"),
        pytest.param(seen(api_key(expires_at="2027-02-22T08:30:00Z")), None, id="over at this moment"),
    ],
)
def test_a_key_is_looked_at_again_when_its_time_is_over(observation: ApiKeyObservation, wakes: object) -> None:
    assert plan_api_key(observation).wake_at == wakes


@pytest.mark.parametrize(
    ("observation", "words"),
    [
        pytest.param(TABLE["tombstone"][0], ["as Member", "spec.forRole to Viewer", "spec.revision"], id="role"),
        pytest.param(
            TABLE["tombstone, role changed back"][0],
            ["was changed and changed back to Member since the key was issued (as Member)", "spec.forRole to Member"],
            id="role changed back",
        ),
        pytest.param(
            TABLE["new, for another role"][0], ["Owner", "alice has the role Member", "spec.forRole"], id="forRole"
        ),
        pytest.param(TABLE["new, no membership"][0], ["Membership alice", "this namespace"], id="membership"),
        pytest.param(TABLE["live, no membership"][0], ["Delete this ApiKey"], id="gone"),
        pytest.param(TABLE["new, no organization"][0], ["Organization acme"], id="organization"),
        pytest.param(TABLE["new, no expiry"][0], ["keys.requireExpiry", "spec.ttl"], id="requireExpiry"),
        pytest.param(TABLE["new, ttl too long"][0], ["24h", "keys.maxTTL"], id="maxTTL"),
        pytest.param(TABLE["tombstone, its time over too"][0], ["Expired at 2027-", "raise spec.revision"], id="ttl"),
        pytest.param(
            TABLE["expired by expiresAt, revision raised"][0],
            ["Expired at 2027-02-01T00:00:00Z", "Create another ApiKey"],
            id="expiresAt",
        ),
        pytest.param(
            TABLE["new, not accepted"][0],
            ["until alice@acme.io accepts the invitation to Organization acme", "RequireAcceptance"],
            id="not accepted",
        ),
        pytest.param(TABLE["new, suspended"][0], ["Suspended by spec.suspended", "Remove it"], id="suspended"),
        pytest.param(TABLE["live, organization suspended"][0], ["Organization acme"], id="organization suspended"),
        pytest.param(TABLE["live, member suspended"][0], ["alice", "spec.suspendedMembers"], id="member suspended"),
    ],
)
def test_a_message_says_what_to_do(observation: ApiKeyObservation, words: list[str]) -> None:
    action = plan_api_key(observation).actions[-1]
    assert isinstance(action, UpdateStatus)
    message = action.status.conditions[0].message
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(("member", "org"), [(None, ORG), (MEMBER, None)], ids=["no membership", "no organization"])
def test_nothing_is_issued_under_nobody(member: Membership | None, org: Organization | None) -> None:
    with pytest.raises(ValueError, match="a Membership and an Organization"):
        new_stamp(seen(api_key(), member, org), NOW)


def test_an_end_that_is_brought_forward_stands_in_the_status() -> None:
    plan = plan_api_key(seen(edited(LIVE, expiresAt=format_time(NOW + timedelta(hours=1)))))
    (action,) = plan.actions
    assert isinstance(action, UpdateStatus)
    assert isinstance(action.status, ApiKeyStatus)
    assert action.status.expires_at == plan.wake_at == NOW + timedelta(hours=1)


def test_fractions_of_a_second_are_no_news() -> None:
    key = api_key(expires_at="2027-12-31T23:59:59.5Z")
    assert plan_api_key(seen(with_status(key, _delivered(key)))).actions == ()


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("9999-12-31T23:59:59Z", id="the last second"),
        pytest.param("9999-12-31T23:59:59-01:00", id="later still, in UTC"),
        pytest.param("2027-12-31t23:59:59z", id="lower case"),
        pytest.param("2027-12-31T23:59:59.123456789Z", id="nanoseconds"),
    ],
)
def test_any_time_that_the_api_server_takes_can_be_written_back(moment: str) -> None:
    key = api_key(expires_at=moment)
    assert plan_api_key(seen(with_status(key, _delivered(key)))).actions == ()
