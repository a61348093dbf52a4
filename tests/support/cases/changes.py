"""Changes of all kinds to one team, each as a kubectl command, and whether the webhooks let them in."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from support.api.speech import Speech
from support.cluster.people import Body, Person, bind_people
from support.cluster.team import Team, role_patch, team
from support.objects import manifests
from tenure_dev.controlplane import ControlPlane

OLGA, OTTO = manifests.member("olga", "Owner"), manifests.member("otto", "Owner")
ALICE, BOB, CI = manifests.member("alice"), manifests.member("bob", "Viewer"), manifests.service_account("ci")
KEYS = (
    manifests.api_key("ci-deploy", "alice", ttl="2160h"),
    manifests.api_key("laptop", "alice"),
    manifests.api_key("next", "alice", forRole="Viewer"),
    manifests.api_key("pipeline", "ci"),
)
PEOPLE: Sequence[Body] = (OLGA, OTTO, ALICE, BOB, CI)

BOUNDS = {"allowedEmailDomains": ["acme.io"], "keys": {"maxTTL": "8760h"}}
DENIES = {"deny": [{"from": "Viewer", "to": "Owner"}, {"from": "None", "to": "Analyst"}]}


@dataclass(frozen=True)
class Attempt:
    """A change, and what it meets."""

    title: str
    command: Sequence[str]
    """kubectl's words; `-` as an option's value stands for the manifest."""

    manifest: Body | None = None
    passes: bool = True
    rule: str = "Warn"
    """The organization's whenKeysExist."""

    bodies: Sequence[Body] = PEOPLE
    organization: dict[str, Any] = field(default_factory=dict)
    person: Person | None = None
    """Who makes it; None: the administrator."""

    said: str = ""
    """Words of the refusal or of a warning; empty: nothing is said."""

    def __str__(self) -> str:
        return self.title

    @contextmanager
    def team(self, plane: ControlPlane) -> Iterator[Team]:
        """Give the team that is changed."""
        rules = {"whenKeysExist": self.rule, **DENIES}
        with team(plane, [*self.bodies, *KEYS], roleChanges=rules, **BOUNDS, **self.organization) as given:
            if self.person is not None:
                bind_people(plane, given.namespace, [self.person])
            yield given

    def make(self, given: Team, *options: str) -> Speech:
        """Make the change, or try it with kubectl's options."""
        document = None if self.manifest is None else json.dumps(self.manifest)
        user = None if self.person is None else self.person.user
        return given.say(*self.command, *options, input=document, as_user=user)


def patch(member: str, role: str, acknowledgement: str | None = None) -> Sequence[str]:
    """The words that change a role."""
    return ("patch", "membership", member, "--type=merge", f"--patch={role_patch(role, acknowledgement)}")


def merge(kind: str, name: str, body: Body) -> Sequence[str]:
    """The words that merge a patch."""
    return ("patch", kind, name, "--type=merge", f"--patch={json.dumps(body)}")


def delete(kind: str, name: str) -> Sequence[str]:
    """The words that delete an object, and don't wait until it is gone."""
    return ("delete", kind, name, "--wait=false")


CREATE = ("create", "--filename=-")
