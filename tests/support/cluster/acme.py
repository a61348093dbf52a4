"""An organization to be attacked: people of every role, a member alice with a key, and what of it must not change."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from support.api.client import Client, fresh_namespace
from support.cluster import people
from support.cluster.people import PEOPLE, Person
from support.cluster.world import World
from support.objects import manifests
from tenure_dev.controlplane import ControlPlane

Body = dict[str, Any]

KINDS = ("organizations", "memberships", "apikeys")

SELECTED = {
    "control-plane": "tenure",
    "tenure.dev/ignore": "true",
    "admission.tenure.dev/ignore": "true",
    "admissions.enforcer/disabled": "true",
    "webhooks.tenure.dev/exclude": "true",
}
"""Labels that keep other products' webhooks away from an object or a namespace."""


@dataclass(frozen=True)
class Acme:
    """The organization, seen by the administrator and by everybody else."""

    plane: ControlPlane
    client: Client
    clients: Mapping[Person, Client]

    def by(self, person: Person) -> Client:
        """The organization as somebody sees it."""
        return self.clients[person]

    @property
    def world(self) -> World:
        return World(self.client)

    def state(self) -> Body:
        """All that a request could change, without what the operator writes: an attack must leave it as it is."""
        return {
            f"{plural}/{body['metadata']['name']}": _essence(body)
            for plural in KINDS
            for body in self.client.list(plural)
        }


def belongings() -> list[Body]:
    """What is attacked, beside the organization itself."""
    return [manifests.member("alice", "Member"), manifests.api_key("laptop", "alice")]


@contextmanager
def attacked(plane: ControlPlane, **rules: Any) -> Iterator[Acme]:
    """Give the organization, in a namespace whose labels keep other products' webhooks away."""
    with fresh_namespace(plane, labels=SELECTED) as client:
        people.bind_people(plane, client.namespace)
        client.create("organizations", manifests.organization(deletionProtection=True, **rules))
        for body in [*people.memberships(), *belongings()]:
            World(client).create(body)
        clients = {person: person.at(client) for person in PEOPLE}
        yield Acme(plane, client, clients)
        for seen in clients.values():
            seen.close()


def _essence(body: Body) -> Body:
    metadata = body["metadata"]
    kept = ("uid", "generation", "deletionTimestamp", "ownerReferences", "finalizers", "labels", "annotations")
    return {"metadata": {field: metadata.get(field) for field in kept}, "spec": body["spec"]}
