"""An organization with people and keys in it, issued and counted, for tests of what a change costs."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from support.api.kubectl import NamespacedKubectl
from support.api.speech import Speech, say
from support.cluster.world import World, fresh_world
from support.objects import manifests
from support.run.eventually import eventually
from tenure.domain.admission.acknowledgement import ANNOTATION
from tenure_dev.controlplane import ControlPlane

Body = dict[str, Any]

PATIENCE = 60.0
"""Seconds that a busy machine may take to issue keys."""


@dataclass(frozen=True)
class Team:
    """An organization, and how its members are changed: as the administrator, or as somebody else."""

    world: World
    kubectl: NamespacedKubectl

    @property
    def namespace(self) -> str:
        """Where it is."""
        return self.world.api.namespace

    def change_role(
        self, name: str, role: str, acknowledgement: str | None = None, *options: str, as_user: str | None = None
    ) -> Speech:
        """Change a member's role, and the acknowledging annotation in the same write."""
        patch = role_patch(role, acknowledgement)
        return self.say("patch", "membership", name, "--type=merge", f"--patch={patch}", *options, as_user=as_user)

    def remove(self, name: str, *options: str, as_user: str | None = None) -> Speech:
        """Delete a Membership."""
        return self.say("delete", "membership", name, "--wait=false", *options, as_user=as_user)

    def say(self, *args: str, input: str | None = None, as_user: str | None = None) -> Speech:  # noqa: A002
        """Run kubectl in the namespace."""
        return say(self.kubectl, *args, input=input, as_user=as_user)

    def set_rules(self, **role_changes: Any) -> None:
        """Change the organization's roleChanges."""
        self.world.api.patch("organizations", "acme", {"spec": {"roleChanges": role_changes}})

    def wait_settled(self, *keys: str) -> None:
        """Wait until these keys are issued, or wait for something, and everything is counted."""
        for key in keys:
            eventually(lambda key=key: self.world.reason("apikeys", key), within=PATIENCE, describe=f"{key} is seen")  # type: ignore[misc]
        self.world.wait_counted(within=PATIENCE)


def role_patch(role: str, acknowledgement: str | None = None) -> str:
    """A merge patch of a role, and of the acknowledging annotation where one is given."""
    patch: Body = {"spec": {"role": role}}
    if acknowledgement is not None:
        patch["metadata"] = {"annotations": {ANNOTATION: acknowledgement}}
    return json.dumps(patch)


@contextmanager
def bare_team(plane: ControlPlane) -> Iterator[Team]:
    """Give a namespace with nothing in it."""
    with fresh_world(plane) as world:
        yield Team(world, NamespacedKubectl(plane.kubectl, world.api.namespace))


@contextmanager
def team(plane: ControlPlane, bodies: Sequence[Body], **organization: Any) -> Iterator[Team]:
    """Give a namespace with the organization acme and these members and keys, all issued that can be."""
    with bare_team(plane) as given:
        given.world.create(manifests.organization(**organization), *bodies)
        given.wait_settled(*(body["metadata"]["name"] for body in bodies if body["kind"] == "ApiKey"))
        yield given
