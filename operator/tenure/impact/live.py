"""Read the objects of some namespaces from a cluster, with the verb `list` only."""

from collections.abc import Collection
from typing import Any

from tenure.domain.impact.tree import Address, Body, Identity, Tree, reviewed_body
from tenure.domain.resources import KINDS, ApiKey, Membership, Organization, Resource
from tenure.kube.cluster import Cluster
from tenure.kube.connection import connect_as_caller
from tenure.kube.objects import parse


async def read_cluster(namespaces: Collection[str], context: str = "") -> Tree:
    """Read the three kinds in these namespaces from the cluster of the caller's kubeconfig.

    Raises:
        StartRefusedError: no API server can be reached.
        ApiError: the API server doesn't answer, or your rights don't allow it.
    """
    objects: dict[type[Resource], dict[Address, Any]] = {resource: {} for resource in KINDS}
    reviewed: dict[Identity, Body] = {}
    async with Cluster(await connect_as_caller(context)) as cluster:
        for namespace in sorted(namespaces):
            for resource in KINDS:
                async for bodies, _ in cluster.pages(resource, namespace):
                    for body in bodies:
                        parsed = parse(resource, body)
                        address = Address(namespace, parsed.name)
                        objects[resource][address] = parsed
                        reviewed[resource.kind, address] = reviewed_body(body)
    return Tree(objects[Organization], objects[Membership], objects[ApiKey], reviewed)
