"""What a role change does to the ApiKey object, and that the Membership's record of it comes first."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.objects.builders import NOW, api_key, edited, issued, membership, organization, shown
from tenure.domain.planning.actions import UpdateStatus
from tenure.domain.planning.apikeys import plan_api_key
from tenure.domain.planning.memberships import MembershipObservation, plan_membership
from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.apikey import ApiKeyStatus
from tenure.domain.resources.base import format_time
from tenure.domain.resources.membership import MembershipStatus

BEFORE, ORG = membership(), organization()
ARGO: dict[str, Any] = {"annotations": {"argocd.argoproj.io/tracking-id": "app:tenure.dev/ApiKey:acme/ci-deploy"}}
KUSTOMIZE: dict[str, Any] = {"labels": {"kustomize.toolkit.fluxcd.io/name": "tenants"}}
HELM: dict[str, Any] = {"labels": {"helm.toolkit.fluxcd.io/name": "tenants"}}
UNRELATED: dict[str, Any] = {
    "labels": {"app.kubernetes.io/managed-by": "Helm", "argocd.argoproj.io/tracking-id": "a label"},
    "annotations": {"kustomize.toolkit.fluxcd.io/name": "an annotation"},
}


def _seen(key: ApiKey, member: Membership, org: Organization | None = ORG) -> ApiKeyObservation:
    return ApiKeyObservation(api_key=key, membership=member, organization=org, siblings=[key], now=NOW)


def _record(*keys: str, generation: int = 2, key_count: int | None = None) -> dict[str, Any]:
    """The status of a Membership that recorded its change from Member to Viewer."""
    return {
        "observedGeneration": 2,
        "lastRoleChange": {
            "from": "Member",
            "to": "Viewer",
            "generation": generation,
            "at": "2027-02-22T08:29:00Z",
            "keyCount": len(keys) if key_count is None else key_count,
            "keys": [{"name": "k", "keyId": key, "fate": "Deleted"} for key in keys],
        },
    }


def _demoted(*recorded: ApiKey, kind: str = "User") -> Membership:
    status = _record(*(str(key.status.key_id) for key in recorded)) if recorded else None
    return membership(role="Viewer", generation=2, kind=kind, status=status)


def _managed(*managers: str, status: str = "") -> Mapping[str, Any]:
    """The metadata of a key with these field managers, and with one of its status."""
    entries = [{"manager": name} for name in managers]
    return {"managed_fields": [*entries, *([{"manager": status, "subresource": "status"}] if status else [])]}


DELETED = ["DeleteSecret", "DeleteApiKey"]
KEPT = ["DeleteSecret", "UpdateStatus RoleChanged"]
ISSUED_AGAIN = ["DeleteSecret", "IssueToken"]
WAITS = ["DeleteSecret", "UpdateStatus RoleMismatch"]


@pytest.mark.parametrize(
    ("policy", "meta", "for_role", "actions"),
    [
        pytest.param(None, {}, None, DELETED, id="left out"),
        pytest.param(None, ARGO, None, KEPT, id="left out, Argo CD"),
        pytest.param("Auto", {}, None, DELETED, id="Auto"),
        pytest.param("Auto", ARGO, None, KEPT, id="Auto, Argo CD"),
        pytest.param("Auto", KUSTOMIZE, None, KEPT, id="Auto, Flux Kustomization"),
        pytest.param("Auto", HELM, None, KEPT, id="Auto, Flux HelmRelease"),
        pytest.param("Auto", UNRELATED, None, DELETED, id="Auto, marks in the wrong place"),
        pytest.param("Auto", _managed(), None, KEPT, id="Auto, no manager is known"),
        pytest.param("Auto", _managed("helm"), None, KEPT, id="Auto, Helm"),
        pytest.param("Auto", _managed("kapp"), None, KEPT, id="Auto, kapp"),
        pytest.param("Auto", _managed("configsync"), None, KEPT, id="Auto, Config Sync"),
        pytest.param("Auto", _managed("fleetagent"), None, KEPT, id="Auto, Fleet"),
        pytest.param("Auto", _managed("kubectl-create", "helm"), None, KEPT, id="Auto, a person and Helm"),
        pytest.param("Auto", _managed("kubectl-like"), None, KEPT, id="Auto, a program that begins with kubectl"),
        pytest.param("Auto", _managed("kubectl-client-side-apply", "kubectl-edit"), None, DELETED, id="Auto, a person"),
        pytest.param("Auto", _managed("kubectl", status="tenure"), None, DELETED, id="Auto, a person and Tenure"),
        pytest.param("Auto", _managed(status="kubectl"), None, KEPT, id="Auto, a manager of the status alone"),
        pytest.param("Delete", _managed("helm"), None, DELETED, id="Delete, Helm"),
        pytest.param("Delete", {}, None, DELETED, id="Delete"),
        pytest.param("Delete", ARGO, None, DELETED, id="Delete, Argo CD"),
        pytest.param("Delete", HELM, None, DELETED, id="Delete, Flux"),
        pytest.param("Revoke", {}, None, KEPT, id="Revoke"),
        pytest.param("Revoke", ARGO, None, KEPT, id="Revoke, Argo CD"),
        pytest.param("Delete", {}, "Viewer", ISSUED_AGAIN, id="Delete, for the new role"),
        pytest.param("Auto", ARGO, "Viewer", ISSUED_AGAIN, id="Auto, for the new role"),
        pytest.param("Revoke", {}, "Viewer", ISSUED_AGAIN, id="Revoke, for the new role"),
        pytest.param("Delete", {}, "Member", WAITS, id="Delete, for the former role"),
        pytest.param("Auto", {}, "Member", WAITS, id="Auto, for the former role"),
        pytest.param("Revoke", ARGO, "Member", WAITS, id="Revoke, for the former role"),
    ],
)
def test_the_policy_decides_about_the_object(
    policy: str | None, meta: Mapping[str, Any], for_role: str | None, actions: list[str]
) -> None:
    org = organization(keys={"onRoleChange": policy})
    key = issued(api_key(for_role=for_role, **meta), BEFORE, org)
    plan = plan_api_key(_seen(key, _demoted(key), org))
    assert shown(plan) == actions
    assert plan.needs_proof
    assert not plan.awaits_record


def test_an_api_key_outlives_its_secret_for_the_time_that_a_commit_takes() -> None:
    key = issued(api_key(), BEFORE, ORG)
    recorded_now = membership(
        role="Viewer",
        generation=2,
        status={
            **_record(str(key.status.key_id)),
            "lastRoleChange": {**_record(str(key.status.key_id))["lastRoleChange"], "at": format_time(NOW)},
        },
    )
    seen = _seen(key, recorded_now)
    plan = plan_api_key(seen)
    assert shown(plan) == ["DeleteSecret", "UpdateStatus RoleChanged"]
    assert plan.wake_at == NOW + timedelta(seconds=3)
    (told,) = [action.status for action in plan.actions if isinstance(action, UpdateStatus)]
    assert isinstance(told, ApiKeyStatus)
    assert told.secret_uid == key.status.secret_uid, "or Tenure wouldn't delete the ApiKey"
    again = replace(seen, api_key=key.model_copy(update={"status": told}))
    assert shown(plan_api_key(again)) == ["DeleteSecret"]
    assert shown(plan_api_key(replace(seen, now=NOW + timedelta(seconds=3)))) == DELETED
    approved = edited(key, forRole="Viewer")
    assert shown(plan_api_key(_seen(approved, recorded_now))) == ISSUED_AGAIN


@pytest.mark.parametrize("policy", ["Auto", "Delete", "Revoke"])
@pytest.mark.parametrize("meta", [{}, ARGO], ids=["unmanaged", "managed"])
@pytest.mark.parametrize("for_role", [None, "Member", "Viewer"])
def test_before_the_record_only_the_secret_goes(policy: str, meta: Mapping[str, Any], for_role: str | None) -> None:
    org = organization(keys={"onRoleChange": policy})
    key = issued(api_key(for_role=for_role, **meta), BEFORE, org)
    plan = plan_api_key(_seen(key, _demoted(), org))
    assert shown(plan) == ["DeleteSecret"]
    assert plan.awaits_record
    assert plan.needs_proof


KEY = issued(api_key(), BEFORE, ORG)
KEY_ID = str(KEY.status.key_id)


@pytest.mark.parametrize(
    ("status", "waits"),
    [
        pytest.param({"observedGeneration": 1}, True, id="no record"),
        pytest.param({"observedGeneration": 2}, True, id="observed, but no record"),
        pytest.param(_record(KEY_ID, generation=1), True, id="record of an earlier change"),
        pytest.param(_record("another"), True, id="record without the key"),
        pytest.param(_record(), True, id="record without keys"),
        pytest.param(_record("another", KEY_ID), False, id="record with the key"),
        pytest.param(_record("another", key_count=1200), False, id="record that is full"),
    ],
)
def test_the_key_waits_until_it_is_recorded(status: Mapping[str, Any], *, waits: bool) -> None:
    member = membership(role="Viewer", generation=2, status=status)
    assert plan_api_key(_seen(KEY, member)).awaits_record is waits


@pytest.mark.parametrize(
    ("key", "member"),
    [
        pytest.param(api_key(), _demoted(), id="never issued"),
        pytest.param(issued(api_key(), BEFORE, ORG, secret_uid=None), _demoted(), id="ended before"),
        pytest.param(KEY, membership(role="Viewer", generation=2, uid="another"), id="membership created again"),
        pytest.param(KEY, membership(role="Viewer", generation=2, deleting=True), id="membership going"),
        pytest.param(KEY, _demoted(kind="ServiceAccount"), id="service account"),
    ],
)
def test_whatever_did_not_fall_with_the_role_waits_for_no_record(key: ApiKey, member: Membership) -> None:
    assert not plan_api_key(_seen(key, member)).awaits_record


def test_a_service_accounts_key_that_was_approved_falls_with_the_role() -> None:
    key = issued(api_key(for_role="Member"), membership(kind="ServiceAccount"), ORG)
    assert plan_api_key(_seen(key, _demoted(kind="ServiceAccount"))).awaits_record
    assert shown(plan_api_key(_seen(key, _demoted(key, kind="ServiceAccount")))) == WAITS


def test_the_mark_of_a_gitops_tool_decides_nothing_about_validity() -> None:
    metas: list[dict[str, Any]] = [{}, ARGO, KUSTOMIZE, HELM]
    for meta in metas:
        key = issued(api_key(**meta), BEFORE, ORG)
        assert shown(plan_api_key(_seen(key, BEFORE))) == ["UpdateStatus Issued"]
        assert "DeleteSecret" in shown(plan_api_key(_seen(key, _demoted(key))))


def _fate(key: ApiKey, org: Organization | None) -> str:
    """What the Membership's record says of the key."""
    member = membership(role="Viewer", generation=2, status={"observedGeneration": 1, "role": "Member"})
    plan = plan_membership(MembershipObservation(membership=member, organization=org, keys=[key], now=NOW))
    status = plan.actions[-1].status  # type: ignore[union-attr]
    assert isinstance(status, MembershipStatus)
    assert status.last_role_change is not None
    (ended,) = status.last_role_change.keys
    return ended.fate.value


FATES = {"DeleteApiKey": "Deleted", "IssueToken": "Reissued", "UpdateStatus": "Revoked"}


@pytest.mark.parametrize("policy", ["Auto", "Delete", "Revoke"])
@pytest.mark.parametrize(
    "key",
    [
        pytest.param(KEY, id="plain"),
        pytest.param(issued(api_key(**ARGO), BEFORE, ORG), id="managed"),
        pytest.param(issued(api_key(for_role="Member"), BEFORE, ORG), id="for the former role"),
        pytest.param(issued(api_key(for_role="Viewer"), BEFORE, ORG), id="for the new role"),
        pytest.param(edited(KEY, forRole="Viewer"), id="approved for the new role with the change"),
        pytest.param(edited(KEY, revision=2), id="revision raised with the change"),
        pytest.param(edited(KEY, suspended=True), id="suspended"),
        pytest.param(issued(api_key(ttl="1h"), BEFORE, ORG), id="its time over too"),
        pytest.param(issued(api_key(for_role="Viewer", ttl="1h"), BEFORE, ORG), id="for the new role, its time over"),
    ],
)
def test_the_recorded_fate_is_what_becomes_of_the_key(key: ApiKey, policy: str) -> None:
    org = organization(keys={"onRoleChange": policy})
    action = shown(plan_api_key(_seen(key, _demoted(key), org)))[-1]
    assert _fate(key, org) == FATES[action.split()[0]]


def test_the_recorded_fate_holds_without_an_organization_too() -> None:
    action = shown(plan_api_key(_seen(KEY, _demoted(KEY), None)))[-1]
    assert _fate(KEY, None) == FATES[action.split()[0]]
