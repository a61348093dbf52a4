"""Objects for tests: bodies as the API server sends them, read by the domain's own models.

All defaults fit together: `issued(api_key(), membership(), organization())` is a key that works at `NOW`.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict, TypeVar, Unpack
from uuid import NAMESPACE_OID, uuid5

from tenure.domain.conditions import ready_reason
from tenure.domain.planning.actions import Action, EmitEvent, Plan, UpdateStatus
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.resources.base import API_VERSION, Model, format_time
from tenure.domain.resources.stamp import AnnouncedToken, FormerToken
from tenure.domain.secret import SecretFacts, stamp_text
from tenure.domain.tokens import Token

CREATED = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)
"""When objects were created, unless a test says otherwise."""

ISSUED = datetime(2027, 1, 4, 9, 1, tzinfo=UTC)
"""When keys were issued, unless a test says otherwise."""

NOW = datetime(2027, 2, 22, 8, 30, tzinfo=UTC)
"""The present moment of tests that need one."""

NAMESPACE = "acme"

HANDMADE = ({"manager": "kubectl-create", "operation": "Update"},)
"""The `managedFields` of an object that a person made, as all are unless a test says otherwise."""

R = TypeVar("R", bound=Resource)


class Meta(TypedDict, total=False):
    """What a test may say about an object's metadata."""

    namespace: str
    uid: str
    generation: int
    version: int
    created: datetime
    deleting: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    managed_fields: Sequence[Mapping[str, Any]]


class Issue(TypedDict, total=False):
    """What a test may say about how a key was issued; the rest follows from the objects."""

    organization_uid: str
    stamped_name: str | None
    membership_uid: str
    membership_generation: int
    role: str
    revision: int
    for_role: str | None
    at: datetime
    capabilities: Sequence[str] | None
    key_id: str
    hash: str
    secret_uid: str | None
    reason: str


def uid_of(kind: str, name: str, namespace: str = NAMESPACE) -> str:
    """The uid that an object has unless a test says otherwise."""
    return str(uuid5(NAMESPACE_OID, f"{kind}/{namespace}/{name}"))


def organization(
    name: str = "acme",
    *,
    keys: Mapping[str, Any] | None = None,
    role_changes: Mapping[str, Any] | None = None,
    invitations: Mapping[str, Any] | None = None,
    notifications: Mapping[str, Any] | None = None,
    suspended: bool | None = None,
    suspended_members: Sequence[str] = (),
    status: Mapping[str, Any] | None = None,
    **meta: Unpack[Meta],
) -> Organization:
    """An Organization; the rules as they stand in a body."""
    spec = {
        "displayName": "Acme Inc.",
        "keys": keys,
        "roleChanges": role_changes,
        "invitations": invitations,
        "notifications": notifications,
        "suspended": suspended,
        "suspendedMembers": [{"name": member, "reason": "INC-4711"} for member in suspended_members] or None,
    }
    return Organization.from_body(_body(Organization, name, spec, status, meta))


def membership(
    name: str = "alice",
    *,
    role: str = "Member",
    kind: str = "User",
    subject: str | None = None,
    organization: str = "acme",
    status: Mapping[str, Any] | None = None,
    **meta: Unpack[Meta],
) -> Membership:
    """A Membership, of a person unless `kind` is ServiceAccount."""
    fallback = f"{name}@acme.io" if kind == "User" else name
    spec = {"organization": organization, "subject": {"kind": kind, "name": subject or fallback}, "role": role}
    return Membership.from_body(_body(Membership, name, spec, status, meta))


def api_key(
    name: str = "ci-deploy",
    *,
    membership: str = "alice",
    access: str = "Full",
    description: str | None = None,
    capabilities: Sequence[str] | None = None,
    for_role: str | None = None,
    ttl: str | None = None,
    expires_at: str | None = None,
    revision: int | None = None,
    suspended: bool | None = None,
    secret_template: Mapping[str, Any] | None = None,
    status: Mapping[str, Any] | None = None,
    **meta: Unpack[Meta],
) -> ApiKey:
    """An ApiKey that was never issued; see `issued`."""
    spec = {
        "membership": membership,
        "access": access,
        "description": description,
        "capabilities": capabilities,
        "forRole": for_role,
        "ttl": ttl,
        "expiresAt": expires_at,
        "revision": revision,
        "suspended": suspended,
        "secretTemplate": secret_template,
    }
    return ApiKey.from_body(_body(ApiKey, name, spec, status, meta))


def issued(key: ApiKey, membership: Membership, organization: Organization, **overrides: Unpack[Issue]) -> ApiKey:
    """The key after its token was issued under these two; `overrides` say what was different then."""
    capabilities = overrides.get("capabilities", key.spec.capabilities)
    token = Token.mint(entropy_of(key), narrowed=capabilities is not None)
    stamp = {
        "organizationUID": overrides.get("organization_uid", organization.metadata.uid),
        "membershipUID": overrides.get("membership_uid", membership.metadata.uid),
        "membershipGeneration": overrides.get("membership_generation", membership.metadata.generation),
        "role": overrides.get("role", membership.spec.role),
        "revision": overrides.get("revision", key.revision),
        "forRole": overrides.get("for_role", key.spec.for_role),
        "capabilities": capabilities,
        "at": format_time(overrides.get("at", ISSUED)),
        "membership": overrides.get("stamped_name", membership.name),
    }
    secret_uid = overrides.get("secret_uid", uid_of("Secret", key.name, key.namespace))
    reason = overrides.get("reason", "Issued")
    status = {
        "observedGeneration": key.metadata.generation,
        "conditions": [condition("Ready", reason, holds=reason == "Issued")],
        "keyId": overrides.get("key_id", token.key_id),
        "hash": overrides.get("hash", token.hash),
        "secretName": None if secret_uid is None else key.name,
        "secretUID": secret_uid,
        "subjectKind": membership.spec.subject.kind.value,
        "issued": _present(stamp),
    }
    return with_status(key, type(key.status).model_validate(_present(status)))


def rotated(
    key: ApiKey,
    *,
    announced: str | None = None,
    former: str | None = None,
    at: datetime = ISSUED,
    replaced_at: datetime = ISSUED,
    ends_at: datetime = NOW + timedelta(hours=1),
    former_used_at: datetime | None = None,
) -> ApiKey:
    """The key with a token beside its present one, given by its public id: an announced one, or the former one."""
    assert key.status.issued is not None
    stamp = key.status.issued.model_copy(update={"at": at})

    def other(key_id: str) -> dict[str, Any]:
        return {"key_id": key_id, "hash": f"sha256:{key_id}", "issued": stamp}

    status = key.status.model_copy(
        update={
            "next": None if announced is None else AnnouncedToken(**other(announced)),
            "previous": None
            if former is None
            else FormerToken(**other(former), replaced_at=replaced_at, ends_at=ends_at, last_used_at=former_used_at),
        }
    )
    return with_status(key, status)


def token_of(key: ApiKey) -> Token:
    """The token that `issued` and `secret` give to a key."""
    return Token.mint(entropy_of(key), narrowed=key.narrowed_to is not None)


def entropy_of(key: ApiKey) -> bytes:
    """The bytes that make the token of a key: 16 for its public id, 32 for its secret."""
    return hashlib.sha384(key.metadata.uid.encode()).digest()


def secret(
    key: ApiKey,
    *,
    uid: str | None = None,
    owner_uid: str | None = None,
    token: str | None = None,
    created: datetime = ISSUED,
) -> dict[str, Any]:
    """The Secret of an issued key, as the API server sends it."""
    text = token_of(key).reveal() if token is None else token
    stamp = key.status.issued
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "tenure.dev/api-key",
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "uid": uid or key.status.secret_uid or uid_of("Secret", key.name, key.namespace),
            "resourceVersion": "1",
            "creationTimestamp": format_time(created),
            "annotations": {"tenure.dev/issued-under": stamp_text(stamp)} if stamp else {},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": "ApiKey",
                    "name": key.name,
                    "uid": owner_uid or key.metadata.uid,
                    "controller": True,
                }
            ],
        },
        "data": {"token": base64.b64encode(text.encode()).decode()},
    }


def secret_facts(key: ApiKey, *, uid: str | None = None, owner_uid: str | None = None) -> SecretFacts:
    """What is read off the Secret of an issued key."""
    return SecretFacts.from_body(secret(key, uid=uid, owner_uid=owner_uid))


def condition(
    type_: str, reason: str, *, holds: bool, since: datetime = ISSUED, generation: int = 1, message: str = "as it is"
) -> dict[str, Any]:
    """A condition, as it stands in a body."""
    return {
        "type": type_,
        "status": "True" if holds else "False",
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": format_time(since),
    }


def with_status(resource: R, status: Model) -> R:
    """The object after its status was written to the API server and read back."""
    stored = type(status).model_validate(status.model_dump(by_alias=True, mode="json", exclude_none=True))
    return resource.model_copy(update={"status": stored})


def edited(key: ApiKey, **spec: Any) -> ApiKey:
    """The key after its holder edited the spec; field names as they stand in a body."""
    metadata = key.metadata.model_copy(update={"generation": key.metadata.generation + 1})
    changed = key.spec.model_validate({**key.spec.model_dump(by_alias=True, mode="json"), **spec})
    return key.model_copy(update={"metadata": metadata, "spec": changed})


def shown(plan: Plan[Action]) -> list[str]:
    """The actions of a plan in a short form, such as `UpdateStatus Issued`."""
    return [_shown(action) for action in plan.actions]


def _shown(action: Action) -> str:
    match action:
        case UpdateStatus(status):
            return f"UpdateStatus {ready_reason(status.conditions)}"
        case EmitEvent(reason=reason):
            return f"EmitEvent {reason}"
        case _:
            return type(action).__name__


def _body(
    resource: type[Resource], name: str, spec: Mapping[str, Any], status: Mapping[str, Any] | None, meta: Meta
) -> dict[str, Any]:
    namespace, created = meta.get("namespace", NAMESPACE), format_time(meta.get("created", CREATED))
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": meta.get("uid", uid_of(resource.kind, name, namespace)),
        "resourceVersion": str(meta.get("version", 1)),
        "generation": meta.get("generation", 1),
        "creationTimestamp": created,
        "deletionTimestamp": created if meta.get("deleting") else None,
        "labels": meta.get("labels"),
        "annotations": meta.get("annotations"),
        "managedFields": meta.get("managed_fields", HANDMADE),
    }
    return {
        "apiVersion": API_VERSION,
        "kind": resource.kind,
        "metadata": _present(metadata),
        "spec": _present(spec),
        "status": status or {"observedGeneration": -1},
    }


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that have a value: the API server sends no null."""
    return {name: value for name, value in fields.items() if value is not None}
