"""Render an answer: as JSON with all details, as headers for a proxy, or as a TokenReview for an API server."""

import functools
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tenure.domain.access.bindings import group
from tenure.domain.resources.base import format_time
from tenure.domain.roles import Access, Capability, Level, Role, capabilities
from tenure.domain.verification import Code
from tenure.verifier.verifier import Answer

USER_PREFIX = "tenure:"
"""Prefix of every user and group, so that no key can claim one of Kubernetes' own, such as `system:masters`."""

_PLAIN = "!#$&'()*+,/:;=?@[]^`{|}"
"""Characters beside letters, digits and `-._~` that a header has as they are. All others are percent-encoded, so that
a name can have any characters."""


def details(answer: Answer) -> dict[str, Any]:
    """Return all details of an answer, for a caller who may see them."""
    decision, holding, revocation = answer.decision, answer.decision.holding, answer.revocation
    document: dict[str, Any] = {"valid": decision.valid, "code": decision.code.value, "keyId": answer.key_id}
    if holding is not None:
        key, member = holding.api_key, holding.membership
        document |= {
            "namespace": key.namespace,
            "organization": holding.organization.name if holding.organization is not None else None,
            "member": key.holder,
            "subject": member.spec.subject.name if member is not None else None,
            # As in the headers: whoever decides by the role alone would give the key too much.
            "role": decision.role if decision.narrowed_to is None else None,
            "access": decision.access,
            "capabilities": {name.value: level.label for name, level in decision.levels.items()},
            "expiresAt": format_time(key.status.expires_at) if key.status.expires_at is not None else None,
        }
        if (at := _role_changed_at(answer)) is not None:
            document["at"] = format_time(at)
    elif revocation is not None:
        document |= {
            "namespace": revocation.namespace,
            "member": revocation.membership,
            "at": format_time(revocation.at),
        }
    return document


def _role_changed_at(answer: Answer) -> datetime | None:
    """Return the recorded time of the role change that revoked a key.

    None means that it isn't recorded yet, or that the Membership records an earlier change.
    """
    holding = answer.decision.holding
    if answer.decision.code is not Code.ROLE_CHANGED or holding is None or holding.membership is None:
        return None
    change, stamp = holding.membership.status.last_role_change, holding.api_key.status.issued
    ended_it = change is not None and stamp is not None and change.generation > stamp.membership_generation
    return change.at if change is not None and ended_it else None


def identity_headers(answer: Answer) -> Sequence[tuple[bytes, str]]:
    """Return the headers that tell an application behind a proxy whose token it is. They are for a valid token only.

    A key that is limited to some capabilities has no `X-Tenure-Role`, so that no application gives it the whole role.
    """
    holding, decision = answer.decision.holding, answer.decision
    if holding is None or holding.membership is None or holding.organization is None:
        return ()
    role, access, only = decision.role, decision.access, decision.narrowed_to
    headers = [
        (b"x-tenure-key-id", answer.key_id or ""),
        (b"x-tenure-namespace", holding.api_key.namespace),
        (b"x-tenure-organization", holding.organization.name),
        (b"x-tenure-member", holding.membership.name),
        (b"x-tenure-subject", quote(holding.membership.spec.subject.name, safe=_PLAIN)),
        (b"x-tenure-access", access or ""),
    ]
    if role is not None and access is not None:
        headers.append((b"x-tenure-capabilities", _levels(role, access, None if only is None else tuple(only))))
    if role is not None and only is None:
        headers.append((b"x-tenure-role", role))
    return headers


@functools.cache
def _levels(role: Role, access: Access, only: tuple[Capability, ...] | None) -> str:
    """Return the capabilities that a key gives access to, with their levels, such as `clusters=Full,costs=View`.

    There are few of these texts, and it takes longer to write one than to decide about a token.
    """
    levels = capabilities(role, access, only)
    return ",".join(f"{name}={level.label}" for name, level in levels.items() if level is not Level.NONE)


def token_review(answer: Answer) -> dict[str, Any]:
    """Return the answer as a TokenReview of Kubernetes.

    It names no audience, because a key isn't bound to one. An API server accepts that for its own audience only. A key
    that is limited to some capabilities is in no role's group, because a role's rights are more than it may have.
    """
    holding, decision = answer.decision.holding, answer.decision
    status: dict[str, Any] = {"authenticated": False}
    if decision.valid and holding is not None and holding.membership is not None:
        namespace, member = holding.api_key.namespace, holding.membership
        groups = [group(namespace)]
        if decision.narrowed_to is None:
            groups.append(group(namespace, decision.role, holding.api_key.spec.access))
        user = {"username": f"{USER_PREFIX}{namespace}:{member.name}", "uid": member.metadata.uid, "groups": groups}
        status = {"authenticated": True, "user": user}
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}
