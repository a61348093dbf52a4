"""Requests for Roles and RoleBindings. They are listed by Tenure's label, and writes are guarded by what was read."""

from tenure.domain.access.bindings import LABELS, RBAC_VERSION, Address, BoundKind, Held, Wanted
from tenure.errors import ObjectNotFoundError
from tenure.kube.cluster import MERGE_PATCH, PAGE_SIZE, Cluster

_SELECTOR = ",".join(f"{name}={value}" for name, value in LABELS.items())


async def list_held(cluster: Cluster, kind: BoundKind, namespace: str | None) -> tuple[dict[Address, Held], int]:
    """List the objects of a kind with Tenure's label in one namespace or in all, with the list's resourceVersion."""
    held: dict[Address, Held] = {}
    params = {"limit": str(PAGE_SIZE), "labelSelector": _SELECTOR}
    while True:
        answer = await cluster.request("GET", _collection(kind, namespace), params=params)
        for body in answer["items"]:
            metadata = body["metadata"]
            held[Address(kind, metadata["namespace"], metadata["name"])] = Held.from_body(body)
        if not answer["metadata"].get("continue"):
            return held, int(answer["metadata"]["resourceVersion"])
        params["continue"] = answer["metadata"]["continue"]


async def get_held(cluster: Cluster, address: Address) -> Held | None:
    """Read an object consistently, or return None if there is none."""
    try:
        return Held.from_body(await cluster.request("GET", _path(address)))
    except ObjectNotFoundError:
        return None


async def create(cluster: Cluster, wanted: Wanted) -> Held:
    """Create an object.

    Raises:
        AlreadyExistsError: an object of that name exists.
        ForbiddenError: Tenure may not create it, or may not give the rights in it.
    """
    path = _collection(wanted.address.kind, wanted.address.namespace)
    return Held.from_body(await cluster.request("POST", path, body=wanted.to_body()))


async def replace_content(cluster: Cluster, wanted: Wanted, held: Held) -> Held:
    """Replace rules or subjects, unless the object changed since it was read.

    Raises:
        ConflictError: it changed, or it is another one of the same name.
        ObjectNotFoundError: it doesn't exist any more.
    """
    body = {"metadata": {"uid": held.uid, "resourceVersion": held.resource_version}, **wanted.content}
    answer = await cluster.request("PATCH", _path(wanted.address), body=body, content_type=MERGE_PATCH)
    return Held.from_body(answer)


async def delete(cluster: Cluster, address: Address, held: Held) -> None:
    """Delete an object with this uid. It is no error if it doesn't exist any more.

    Raises:
        ConflictError: another object has the name now.
    """
    await cluster.delete_path(_path(address), {"uid": held.uid})


async def has_cluster_role(cluster: Cluster, name: str) -> bool:
    """Whether there is a ClusterRole of this name."""
    try:
        await cluster.read(f"/apis/{RBAC_VERSION}/clusterroles/{name}")
    except ObjectNotFoundError:
        return False
    return True


def _collection(kind: BoundKind, namespace: str | None) -> str:
    place = "" if namespace is None else f"/namespaces/{namespace}"
    return f"/apis/{RBAC_VERSION}{place}/{kind.plural}"


def _path(address: Address) -> str:
    return f"{_collection(address.kind, address.namespace)}/{address.name}"
