"""Requests for Roles and RoleBindings. They are listed by Tenure's label, and writes are guarded by what was read."""

from tenure.domain.access.bindings import LABELS, RBAC_VERSION, Address, BoundKind, Desired, Observed
from tenure.errors import ObjectNotFoundError
from tenure.kube.cluster import MERGE_PATCH, Cluster
from tenure.kube.objects import PAGE_SIZE

_SELECTOR = ",".join(f"{name}={value}" for name, value in LABELS.items())


async def list_held(cluster: Cluster, kind: BoundKind, namespace: str | None) -> tuple[dict[Address, Observed], int]:
    """List the objects of a kind with Tenure's label in one namespace or in all, with the list's resourceVersion."""
    observed: dict[Address, Observed] = {}
    params = {"limit": str(PAGE_SIZE), "labelSelector": _SELECTOR}
    while True:
        answer = await cluster.request("GET", _collection(kind, namespace), params=params)
        for body in answer["items"]:
            metadata = body["metadata"]
            observed[Address(kind, metadata["namespace"], metadata["name"])] = Observed.from_body(body)
        if not answer["metadata"].get("continue"):
            return observed, int(answer["metadata"]["resourceVersion"])
        params["continue"] = answer["metadata"]["continue"]


async def get_held(cluster: Cluster, address: Address) -> Observed | None:
    """Read an object consistently, or return None if there is none."""
    try:
        return Observed.from_body(await cluster.request("GET", _path(address)))
    except ObjectNotFoundError:
        return None


async def create(cluster: Cluster, desired: Desired) -> Observed:
    """Create an object.

    Raises:
        AlreadyExistsError: an object of that name exists.
        ForbiddenError: Tenure may not create it, or may not give the rights in it.
    """
    path = _collection(desired.address.kind, desired.address.namespace)
    return Observed.from_body(await cluster.request("POST", path, body=desired.to_body()))


async def replace_content(cluster: Cluster, desired: Desired, observed: Observed) -> Observed:
    """Replace rules or subjects, unless the object changed since it was read.

    Raises:
        ConflictError: it changed, or it is another one of the same name.
        ObjectNotFoundError: it doesn't exist any more.
    """
    body = {"metadata": {"uid": observed.uid, "resourceVersion": observed.resource_version}, **desired.content}
    answer = await cluster.request("PATCH", _path(desired.address), body=body, content_type=MERGE_PATCH)
    return Observed.from_body(answer)


async def delete(cluster: Cluster, address: Address, observed: Observed) -> None:
    """Delete an object with this uid. It is no error if it doesn't exist any more.

    Raises:
        ConflictError: another object has the name now.
    """
    await cluster.delete_path(_path(address), {"uid": observed.uid})


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
