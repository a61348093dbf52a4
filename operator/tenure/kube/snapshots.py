"""Read the objects of namespaces as the caller, and who the caller is."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from tenure.domain.permissions import Permission, Requester
from tenure.domain.resources import KINDS, Membership, Organization, Resource
from tenure.domain.resources.base import GROUP
from tenure.errors import ForbiddenError, KindNotServedError, StartRefusedError
from tenure.kube.cluster import Cluster
from tenure.kube.objects import parse
from tenure.viewmodel.identity import is_of
from tenure.viewmodel.snapshot import Snapshot

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_SELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

Listed = tuple[Resource, Mapping[str, Any]]


async def read_snapshot(cluster: Cluster, namespace: str, kinds: Sequence[type[Resource]] = KINDS) -> Snapshot:
    """List the objects of a namespace, at most a few requests at a time.

    Kinds that the caller may not list are hidden, and so are those that aren't asked for.

    Raises:
        StartRefusedError: the cluster has no Tenure.
        ApiError: the API server doesn't answer.
    """
    now = await cluster.clock()
    objects: list[Listed] = []
    hidden = {kind.plural: f"{kind.plural} weren't read" for kind in KINDS if kind not in kinds}
    for kind, found in zip(
        kinds, await asyncio.gather(*(_list(cluster, kind, namespace) for kind in kinds)), strict=True
    ):
        if isinstance(found, str):
            hidden[kind.plural] = found
        else:
            objects += found
    return Snapshot.of(namespace, now, objects, hidden)


async def read_everywhere(cluster: Cluster) -> Snapshot | None:
    """List Organizations and Memberships in all namespaces, or return None if the caller may not.

    Raises:
        StartRefusedError: the cluster has no Tenure.
        ApiError: the API server doesn't answer.
    """
    now = await cluster.clock()
    found = await asyncio.gather(*(_list(cluster, kind, None) for kind in (Organization, Membership)))
    if any(isinstance(part, str) for part in found):
        return None
    return Snapshot.of("", now, [one for part in found if not isinstance(part, str) for one in part])


async def find_namespaces(cluster: Cluster, requester: Requester) -> Sequence[str] | None:
    """Return the namespaces with a Membership of the caller, or None if they may not list them in all namespaces.

    Raises:
        StartRefusedError: the cluster has no Tenure.
        ApiError: the API server doesn't answer.
    """
    found = await _list(cluster, Membership, None)
    return (
        None
        if isinstance(found, str)
        else sorted({one.namespace for one, _ in found if isinstance(one, Membership) and is_of(one, requester)})
    )


async def read_identity(cluster: Cluster) -> Requester:
    """Return the caller as the API server authenticates them."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await cluster.review(_SELF, body)
    return Requester.model_validate(answer["status"]["userInfo"])


async def is_allowed(cluster: Cluster, permission: Permission) -> bool:
    """Return whether RBAC gives a permission to the caller."""
    attributes = {
        "group": GROUP,
        "resource": permission.plural,
        "subresource": permission.subresource,
        "verb": permission.verb,
        "namespace": permission.namespace,
        "name": permission.name,
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    return (await cluster.review(_REVIEWS, body))["status"].get("allowed") is True


async def _list(cluster: Cluster, kind: type[Resource], namespace: str | None) -> list[Listed] | str:
    """List the objects of a kind with their bodies, or return why the caller may not."""
    try:
        return [(parse(kind, body), body) async for bodies, _ in cluster.pages(kind, namespace) for body in [*bodies]]
    except ForbiddenError:
        place = f"in namespace {namespace}" if namespace else "in all namespaces"
        where = f"-n {namespace}" if namespace else "-A"
        return (
            f"you may not list {kind.plural}.{GROUP} {place}, and this page needs them. Ask an Owner, or choose "
            f"another namespace with -n. To check: kubectl auth can-i list {kind.plural}.{GROUP} {where}"
        )
    except KindNotServedError as error:
        raise StartRefusedError(
            f"the cluster at {cluster.connection.server} has no Tenure. Choose another one with --context"
        ) from error
