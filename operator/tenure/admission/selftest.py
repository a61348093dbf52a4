"""The self-test: send reviews that the webhook must reject to every path of its own listener."""

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

import aiohttp
from yarl import URL

from tenure.domain.installation import DEFAULTS, Installation
from tenure.domain.resources import KINDS, ApiKey, Membership, Organization
from tenure.domain.resources.base import API_VERSION, GROUP, VERSION
from tenure.domain.roles import Role

_PERSON = "self-test@tenure.invalid"
_NAMESPACE = "tenure-self-test"
_SECONDS = 10.0


def must_be_refused(path: str, installation: Installation) -> dict[str, Any]:
    """Return a review for a path that is rejected regardless of the RBAC and the objects in the cluster."""
    bodies: Mapping[str, tuple[str, dict[str, Any] | None, dict[str, Any] | None]] = {
        Membership.plural: ("CREATE", _body(Membership.kind, _OWN_MEMBERSHIP), None),
        ApiKey.plural: ("CREATE", _body(ApiKey.kind, _RESERVED_LABEL), None),
        Organization.plural: ("DELETE", None, _body(Organization.kind, {"deletionProtection": True})),
    }
    operation, new, old = bodies[path]
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": str(uuid4()),
            "operation": operation,
            "resource": {"group": GROUP, "version": VERSION, "resource": path},
            "namespace": _NAMESPACE,
            "name": "self-test",
            "userInfo": {"username": installation.username(_PERSON)},
            "object": new,
            "oldObject": old,
            "dryRun": True,
        },
    }


async def find_leak(
    listener: URL, paths: Iterable[str], installation: Installation, *, headers: Mapping[str, str] | None = None
) -> str:
    """Send an invalid review to each path of a listener, and return what went wrong at the first that didn't reject it.

    The text is empty if all were rejected. `headers` are sent with each review.
    """
    # The test is about the judgement. The API server decides whether it trusts the certificate.
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    connector = aiohttp.TCPConnector(ssl=tls)
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session:
        for path in paths:
            review = must_be_refused(path.lstrip("/"), installation)
            try:
                async with session.post(listener / path.lstrip("/"), json=review, headers=headers) as answer:
                    flaw = _flaw(answer.status, await answer.json() if answer.status == 200 else {})  # noqa: PLR2004
            except (aiohttp.ClientError, TimeoutError, KeyError) as error:
                flaw = f"doesn't answer: {str(error) or 'no answer in time'}"
            if flaw:
                return f"{path} {flaw}"
    return ""


def probe(listener: str) -> str:
    """Send an invalid review to each path of a listener, and return what went wrong, or "" if all were rejected."""
    return asyncio.run(find_leak(URL(listener), [resource.plural for resource in KINDS], DEFAULTS))


def _flaw(code: int, review: Mapping[str, Any]) -> str:
    response = review.get("response") or {}
    if not response:
        return f"answers {code}"
    if response.get("allowed") is not False:
        return "allowed a request that must be rejected"
    message = str((response.get("status") or {}).get("message", ""))
    return "" if message.startswith(("spec.", "metadata.")) else f"rejected a request for another reason: {message}"


def _body(kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": "self-test", "namespace": _NAMESPACE, "uid": str(uuid4())}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": dict(spec)}


_OWN_MEMBERSHIP: Mapping[str, Any] = {
    "organization": "self-test",
    "subject": {"kind": "User", "name": _PERSON},
    "role": Role.OWNER.value,
}
_RESERVED_LABEL: Mapping[str, Any] = {
    "membership": "self-test",
    "access": "View",
    "secretTemplate": {"labels": {f"{GROUP}/self-test": "reserved"}},
}
