"""Ask the mail process to send invitations again, which only it can sign.

It takes Kubernetes tokens of its own audience only. The API server gives those to ServiceAccounts, so the caller asks
for one of a ServiceAccount, with the caller's own rights.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from tenure.errors import ForbiddenError, ObjectNotFoundError
from tenure.kube.cluster import Cluster
from tenure.viewmodel.errors import ViewError
from tenure.viewmodel.letters import Resent

AUDIENCE = "tenure-mail"
TIMEOUT_SECONDS = 30.0

_SHORTEST_LIFE = 600
"""Seconds: the API server gives out no token for less."""

_ACCEPTED, _CONFLICT = 202, 409


@dataclass(frozen=True)
class MailProcess:
    """The mail process, and the ServiceAccount whose token it takes.

    Attributes:
        url: Address of the accept page, for example `https://join.acme.io`.
        service_account: A ServiceAccount of the organization's namespace that may update Memberships.
    """

    url: str
    service_account: str

    async def resend(self, cluster: Cluster, namespace: str, names: Sequence[str]) -> list[Resent]:
        """Ask for another letter to each member, with the caller's right to create tokens of the ServiceAccount.

        Raises:
            ViewError: there is no such ServiceAccount, or the caller may not create tokens of it.
        """
        token = await _token(cluster, namespace, self.service_account)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)) as session:
            return [await ask(session, self.url, token, namespace, name) for name in names]


async def ask(session: aiohttp.ClientSession, base: str, token: str, namespace: str, name: str) -> Resent:
    """Ask the mail process for another letter to a member."""
    url = f"{base.rstrip('/')}/v1/invitations/{namespace}/{name}:resend"
    try:
        async with session.post(url, headers={"Authorization": f"Bearer {token}"}, allow_redirects=False) as answer:
            status, found = answer.status, _object(await answer.text())
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return Resent(name, None, f"{url}: {' '.join(str(error).split()) or 'no answer in time'}. Check --mail-url")
    if found is None:
        return Resent(
            name,
            None,
            f"{url}: HTTP {status}, and the answer isn't one of the mail process. Check --mail-url: it is the part of "
            "a letter's link before /invitations/",
        )
    if status == _ACCEPTED:
        return Resent(name, str(found.get("requestedAt") or ""))
    return Resent(name, None, str(found.get("error") or f"{url}: HTTP {status}"), impossible=status == _CONFLICT)


def _object(text: str) -> dict[str, Any] | None:
    """Return a JSON object, or None if the text is something else, such as the page of another server."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


async def _token(cluster: Cluster, namespace: str, name: str) -> str:
    """Return a token of a ServiceAccount for the mail process alone."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    spec = {"audiences": [AUDIENCE], "expirationSeconds": _SHORTEST_LIFE}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    try:
        return str((await cluster.review(path, body))["status"]["token"])
    except ObjectNotFoundError:
        raise ViewError(
            f"there is no ServiceAccount {name!r} in namespace {namespace}. Create it, and let it update Memberships:\n"
            f"  kubectl create serviceaccount {name} -n {namespace}\n"
            f"  kubectl create role {name} -n {namespace} --verb=update --resource=memberships.tenure.dev\n"
            f"  kubectl create rolebinding {name} -n {namespace} --role={name} --serviceaccount={namespace}:{name}"
        ) from None
    except ForbiddenError:
        raise ViewError(
            f"you may not create tokens of ServiceAccount {namespace}/{name}. To check: kubectl auth can-i create "
            f"serviceaccounts/{name} --subresource=token -n {namespace}"
        ) from None
