"""An organization by a chart, as the real helm-controller installs and upgrades it from Git."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest

from support.cluster.world import World, fresh_world
from support.engines.engine import WITHIN, Attempt, Engine, eventual_attempt
from support.objects.organization_chart import CHANGED, RELEASE, VALUES, without_acknowledgement, write_chart
from support.objects.repository import Repository

Body = dict[str, Any]


class Release:
    """The HelmRelease of an organization, and its chart in Git."""

    def __init__(self, engine: Engine, world: World) -> None:
        self.engine = engine
        self.world = world
        self.namespace = world.api.namespace
        self.head = ""
        self._folder = engine.organizations.folder / "charts" / self.namespace

    def apply(self, **spec: Any) -> None:
        """Apply the HelmRelease of the page, and what else its spec should have."""
        body = deepcopy(RELEASE)
        body["metadata"]["namespace"] = self.namespace
        body["spec"]["chart"]["spec"]["chart"] = f"./charts/{self.namespace}"
        _, kustomization = self.engine.organization(self.namespace)
        body["spec"] |= {"healthCheckExprs": kustomization["spec"]["healthCheckExprs"], **spec}
        self.engine.apply(body)

    def push(self, values: Body) -> None:
        """Commit these values, and have the engine look at them."""
        write_chart(self._folder, values)
        self.head = self.engine.organizations.commit("Change the organization")
        self.engine.poke(self.namespace)

    def settle(self, values: Body) -> Attempt:
        """Push, and wait until the release is ready."""
        self.push(values)
        return self.ready()

    def refused(self, values: Body, *words: str) -> Attempt:
        """Push, and wait until the release fails with these words."""
        self.push(values)
        return self._wait(
            lambda attempt: not attempt.applied and all(word in attempt.message for word in words), f"says {words}"
        )

    def ready(self) -> Attempt:
        """Wait until the release of the newest commit is ready."""
        return self._wait(lambda attempt: attempt.applied, "is ready")

    def _wait(self, check: Callable[[Attempt], bool], describe: str) -> Attempt:
        return eventual_attempt(self._attempt, self.head, check, describe)

    def stored(self) -> Body:
        """Return the HelmRelease."""
        found: Body = json.loads(self._kubectl("get", "--output=json"))
        return found

    def delete(self) -> None:
        """Delete the HelmRelease without uninstalling, as the page says."""
        self._kubectl("patch", "--type=merge", "--patch", '{"spec": {"suspend": true}}')
        self._kubectl("delete")

    def gone(self) -> None:
        """Check that there is no HelmRelease any more."""
        assert self._kubectl("get", "--ignore-not-found") == ""

    def _kubectl(self, verb: str, *options: str) -> str:
        target = ("helmrelease", "acme", f"--namespace={self.namespace}")
        return self.engine.plane.kubectl(verb, *target, *options).stdout

    def _attempt(self) -> Attempt | None:
        body = self.stored()
        status = body.get("status", {})
        ready = next((each for each in status.get("conditions", []) if each["type"] == "Ready"), None)
        if ready is None or ready["status"] == "Unknown" or status.get("observedGeneration") != 1:
            return None
        commit = status.get("lastAttemptedRevision", "").rpartition("+")[2]
        whole = self.head if commit and self.head.startswith(commit) else commit
        return Attempt(whole, ready["status"] == "True", f"{ready['reason']}: {ready['message']}")


@pytest.fixture
def world(flux: Engine) -> Iterator[World]:
    with fresh_world(flux.plane) as world:
        yield world


@pytest.fixture
def release(flux: Engine, world: World) -> Iterator[Release]:
    """Give a release whose values are pushed and that isn't applied yet."""
    release = Release(flux, world)
    release.push(VALUES)
    flux.apply(flux.organization(release.namespace)[0])
    yield release
    release.delete()


def installed(release: Release, **spec: Any) -> Release:
    release.apply(**spec)
    release.ready()
    release.world.issue("ci-deploy", "laptop", within=WITHIN)
    return release


def test_an_upgrade_after_a_commit_elsewhere_changes_nothing(release: Release, world: World) -> None:
    installed(release)
    world.wait_counted(within=WITHIN)
    live = Repository(release.engine.plane, release.namespace)
    before = live.versions()
    release.settle(VALUES)
    assert live.versions() == before


def test_a_role_change_with_everything_in_one_commit_passes(release: Release, world: World) -> None:
    installed(release)
    old = world.issue("ci-deploy")["ci-deploy"]
    release.settle(CHANGED)
    world.wait_new_token("ci-deploy", old, within=WITHIN)
    world.wait_gone("apikeys", "laptop", within=WITHIN)


def test_a_rejected_role_change_revokes_nothing_and_the_next_commit_mends_it(release: Release, world: World) -> None:
    installed(release)
    old = world.issue("ci-deploy")["ci-deploy"]
    release.refused(without_acknowledgement(CHANGED), "In Git, in the same commit:")
    assert world.verdict(old) == "Valid"
    assert world.member("alice")["spec"]["role"] == "Member"
    release.settle(CHANGED)
    world.wait_new_token("ci-deploy", old, within=WITHIN)


def test_a_revoked_key_that_stays_fails_the_release_and_is_not_issued_again(release: Release, world: World) -> None:
    installed(release)
    release.refused({**CHANGED, "keys": {**CHANGED["keys"], "laptop": VALUES["keys"]["laptop"]}}, "laptop")
    token = world.issue("ci-deploy")["ci-deploy"]
    assert world.reason("apikeys", "laptop") == "RoleChanged"
    release.settle(CHANGED)
    world.wait_gone("apikeys", "laptop", within=WITHIN)
    assert world.issue("ci-deploy")["ci-deploy"] == token


def test_a_suspended_key_holds_nothing_up(release: Release, world: World) -> None:
    installed(release)
    keys = {**VALUES["keys"], "laptop": {**VALUES["keys"]["laptop"], "suspended": True}}
    release.settle({**VALUES, "keys": keys})
    world.wait_reason("laptop", "Suspended", within=WITHIN)


def test_a_key_that_waits_for_its_member_holds_the_release_up_until_the_member_is_there(
    release: Release, world: World
) -> None:
    installed(release)
    early = {"early": {"membership": "dora", "access": "View"}}
    values = {**VALUES, "keys": {**VALUES["keys"], **early}}
    release.push(values)
    world.wait_reason("early", "MembershipNotFound", within=WITHIN)
    dora = {"dora": {"subject": "dora@acme.io", "role": "Viewer"}}
    release.settle({**values, "members": {**VALUES["members"], **dora}})
    world.issue("early", within=WITHIN)


def test_a_suspension_by_kubectl_stays(release: Release, world: World) -> None:
    installed(release)
    token = world.issue("laptop")["laptop"]
    patch = json.dumps({"spec": {"suspendedMembers": [{"name": "alice", "reason": "INC-4711"}]}})
    target = ("organization", "acme", f"--namespace={release.namespace}", "--type=merge", f"--patch={patch}")
    release.engine.plane.kubectl("patch", *target)
    anna = {"anna": {"subject": "anna@acme.io", "role": "Viewer"}}
    release.settle({**VALUES, "members": {**VALUES["members"], **anna}})
    assert world.verdict(token) == "Suspended"


def test_a_remediation_by_rollback_fails_and_the_next_commit_mends_it(release: Release, world: World) -> None:
    """A revoked key that stays makes the upgrade fail. The webhooks reject the way back, so no token is lost."""
    installed(release, install={}, upgrade={"remediation": {"retries": 3, "strategy": "rollback"}})
    old = world.issue("ci-deploy")["ci-deploy"]
    both = {**CHANGED, "keys": {**CHANGED["keys"], "laptop": VALUES["keys"]["laptop"]}}
    release.refused(both, "RollbackFailed", "spec.role: Viewer -> Member would revoke 1 API key")
    token = world.wait_new_token("ci-deploy", old)
    release.settle(CHANGED)
    assert world.member("alice")["metadata"]["generation"] == 2
    assert world.verdict(token) == "Valid"


def test_a_suspended_release_leaves_the_organization_alone_when_it_is_deleted(release: Release, world: World) -> None:
    installed(release)
    token = world.issue("laptop")["laptop"]
    release.delete()
    release.gone()
    assert world.verdict(token) == "Valid"
    release.apply()
    release.ready()
    assert world.issue("laptop")["laptop"] == token
