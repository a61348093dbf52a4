"""What people, other programs and the clock do to the model of a key, and crashes of its operator."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from support.objects.builders import CREATED, api_key, edited, membership, organization
from support.objects.key_model import Cluster, CrashError
from tenure.domain.admission.key_rules import approval_refusal
from tenure.domain.admission.request import Change
from tenure.domain.operations import Operation
from tenure.domain.permissions import Requester
from tenure.domain.resources import ApiKey
from tenure.domain.resources.base import format_time
from tenure.domain.resources.organization import OrganizationSpec
from tenure.domain.secret import SecretFacts

Event = Callable[[Cluster], object]


def _change_role(role: str) -> Event:
    def change(cluster: Cluster) -> None:
        if cluster.member is None or cluster.member.spec.role == role:
            return
        generation = cluster.member.metadata.generation + 1
        changed = membership(role=role, kind=cluster.member.spec.subject.kind, generation=generation)
        metadata = cluster.member.metadata.model_copy(update={"generation": generation})
        cluster.former_member = cluster.member
        cluster.member = cluster.member.model_copy(update={"spec": changed.spec, "metadata": metadata})
        stamp = cluster.key.status.issued
        if cluster.member.is_person or cluster.key.spec.for_role or (stamp and stamp.for_role):
            cluster.kill(of="alice")

    return change


def _recreate_member(cluster: Cluster) -> None:
    cluster.births += 1
    cluster.member = membership(uid=f"member-{cluster.births}", created=cluster.now)
    cluster.former_member = None
    cluster.kill(of="alice")


def _remove_member(cluster: Cluster) -> None:
    cluster.member = cluster.former_member = None
    cluster.kill(of="alice")


def _recreate_org(cluster: Cluster) -> None:
    cluster.births += 1
    cluster.org = organization(uid=f"org-{cluster.births}")
    cluster.kill()


def _recreate_key(cluster: Cluster) -> None:
    if cluster.is_gone and cluster.member is not None:
        cluster.births += 1
        role = cluster.member.spec.role
        cluster.key = api_key(uid=f"key-{cluster.births}", for_role=role, created=cluster.now)
        cluster.is_gone = False


def _raise_revision(cluster: Cluster) -> None:
    cluster.key = edited(cluster.key, revision=cluster.key.revision + 1)
    cluster.kill()


def _edit_key(**spec: Any) -> Event:
    def edit(cluster: Cluster) -> None:
        new = edited(cluster.key, **spec)
        if cluster.asks_webhook and _is_refused(cluster, new):
            # The refusal says to raise the revision in the same write.
            new = edited(cluster.key, **spec, revision=cluster.key.revision + 1)
            assert not _is_refused(cluster, new)
        if new.revision > cluster.key.revision:
            cluster.kill()
        cluster.key = new

    return edit


def _is_refused(cluster: Cluster, new: ApiKey) -> bool:
    change = Change(Operation.UPDATE, Requester(username="root"), new.namespace, cluster.key, new, {}, {})
    return approval_refusal(change, cluster.member) is not None


def _expire(cluster: Cluster) -> None:
    """Set expiresAt to an hour from now, unless it is earlier already."""
    ends = cluster.now + timedelta(hours=1)
    if cluster.key.spec.expires_at is None or ends < cluster.key.spec.expires_at:
        cluster.key = edited(cluster.key, expiresAt=format_time(ends))


def _delete_key(cluster: Cluster) -> None:
    """Delete the ApiKey. The garbage collector deletes its Secret."""
    cluster.is_gone = True
    cluster.kill()
    if cluster.secret is not None and cluster.secret.is_owned_by(cluster.key):
        cluster.secret = None


def _edit_org(**spec: Any) -> Event:
    def edit(cluster: Cluster) -> None:
        if cluster.org is not None:
            changed = {**cluster.org.spec.model_dump(by_alias=True, mode="json"), **spec}
            cluster.org = cluster.org.model_copy(update={"spec": OrganizationSpec.model_validate(changed)})

    return edit


def _edit_secret(change: Callable[[Cluster], SecretFacts | None]) -> Event:
    def edit(cluster: Cluster) -> None:
        cluster.secret = change(cluster)

    return edit


def _pass(**time: float) -> Event:
    def wait(cluster: Cluster) -> None:
        cluster.now += timedelta(**time)

    return wait


def _hand_over(to: str, **spec: Any) -> Event:
    def hand_over(cluster: Cluster) -> None:
        if cluster.key.spec.membership != to:
            cluster.owners.pop((cluster.key.metadata.uid, to), None)
            _edit_key(membership=to, **spec)(cluster)

    return hand_over


def _put_other(name: str, **fields: Any) -> Event:
    """Create another Membership, or create it again."""

    def create(cluster: Cluster) -> None:
        cluster.births += 1
        cluster.others[name] = membership(name, uid=f"{name}-{cluster.births}", created=cluster.now, **fields)
        cluster.kill(of=name)

    return create


def _remove_other(name: str) -> Event:
    def remove(cluster: Cluster) -> None:
        cluster.others.pop(name, None)
        cluster.kill(of=name)

    return remove


def _change_role_of_other(name: str, role: str) -> Event:
    def change(cluster: Cluster) -> None:
        other = cluster.others.get(name)
        if other is None or other.spec.role == role:
            return
        metadata = other.metadata.model_copy(update={"generation": other.metadata.generation + 1})
        spec = other.spec.model_copy(update={"role": membership(role=role).spec.role})
        cluster.others[name] = other.model_copy(update={"spec": spec, "metadata": metadata})
        if other.is_person:
            cluster.kill(of=name)

    return change


def _restart_operator(cluster: Cluster) -> None:
    """A process that is started again has no token in its memory."""
    cluster.announced = None


def _request_rotation(cluster: Cluster) -> None:
    rotation = cluster.key.rotation
    cluster.key = edited(cluster.key, rotation={"overlap": rotation.overlap, "request": (rotation.request or 0) + 1})


def _rotate_hourly(cluster: Cluster) -> None:
    """Rotate every hour. The overlap gets no longer: with the operator down, that would give a token its rest back."""
    overlap = cluster.key.rotation.overlap or "30m"
    cluster.key = edited(cluster.key, rotation={"every": "1h", "overlap": overlap})


def _crash_before(write: int) -> Event:
    """The operator works, and dies instead of making this write."""

    def crash(cluster: Cluster) -> None:
        cluster.writes_left = write - 1
        try:
            cluster.reconcile()
        except CrashError:
            _restart_operator(cluster)
        cluster.writes_left = None

    return crash


EVENTS: dict[str, Event] = {
    "Member": _change_role("Member"),
    "Viewer": _change_role("Viewer"),
    "Analyst": _change_role("Analyst"),
    "membership created again": _recreate_member,
    "membership gone": _remove_member,
    "organization created again": _recreate_org,
    "key created again": _recreate_key,
    "revision raised": _raise_revision,
    "forRole Member": _edit_key(forRole="Member"),
    "forRole Viewer": _edit_key(forRole="Viewer"),
    "forRole removed": _edit_key(forRole=None),
    "key suspended": _edit_key(suspended=True),
    "key not suspended": _edit_key(suspended=None),
    "organization suspended": _edit_org(suspended=True),
    "organization not suspended": _edit_org(suspended=None),
    "policy Revoke": _edit_org(keys={"onRoleChange": "Revoke"}),
    "policy with expiry": _edit_org(keys={"requireExpiry": True, "maxTTL": "100h"}),
    "rotation requested": _request_rotation,
    "rotation every hour": _rotate_hourly,
    "no overlap": _edit_key(rotation={"overlap": "0s"}),
    "operator restarts": _restart_operator,
    "secret deleted": _edit_secret(lambda _: None),
    "secret emptied": _edit_secret(lambda cluster: cluster.secret and replace(cluster.secret, token=None)),
    "secret foreign": _edit_secret(lambda _: SecretFacts("foreign", format_time(CREATED), None, None, None)),
    "a second": _pass(seconds=1),
    "two minutes": _pass(minutes=2),
    "an hour": _pass(hours=1),
    "four days": _pass(hours=100),
}
"""What people, other programs and the clock do."""

EDITS: dict[str, Event] = {
    **EVENTS,
    "forRole Analyst": _edit_key(forRole="Analyst"),
    "expiresAt in an hour": _expire,
    "key deleted": _delete_key,
}
"""All that people may do to a key and to what it depends on. A deletion is no step of the tables of states."""

HAND_OVERS: dict[str, Event] = {
    "handed over to ci": _hand_over("ci"),
    "handed over to bob": _hand_over("bob"),
    "handed over to alice": _hand_over("alice"),
    "handed over to ci for Viewer": _hand_over("ci", forRole="Viewer"),
    "ci created": _put_other("ci", kind="ServiceAccount"),
    "ci gone": _remove_other("ci"),
    "ci Viewer": _change_role_of_other("ci", "Viewer"),
    "ci Member": _change_role_of_other("ci", "Member"),
    "bob created": _put_other("bob"),
    "bob gone": _remove_other("bob"),
    "bob Viewer": _change_role_of_other("bob", "Viewer"),
    "bob Member": _change_role_of_other("bob", "Member"),
}
"""What gives a key to other members, and what happens to these."""

CRASHES = {f"operator crashes before write {write}": _crash_before(write) for write in range(1, 6)}
"""A round of the operator that is cut off: the Membership's status, then the key's Secrets and status."""
