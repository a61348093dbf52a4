"""With nothing to do nothing is written: not in sweeps, and not at a restart."""

from pathlib import Path

import pytest

from support.api.audit import Audit
from support.cluster.identity import CONTROLLER, config_of
from support.cluster.world import Body, World
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from support.run.soak import Figure, size
from support.run.sweeps import USER_AGENT, lists_in, wait_sweeps
from tenure_dev.controlplane import ControlPlane

KEYS = size(short=100, soak=1000)
SWEEPS = size(short=1, soak=8)
"""Before the restart, and after it."""

RESYNC_SECONDS = size(short=2, soak=8)
PATIENCE = 180.0
REGULAR: Body = {"ttl": "1000h", "rotation": {"every": "720h", "overlap": "24h"}}


@pytest.mark.soak
def test_with_nothing_to_do_nothing_is_written(
    world: World, control_plane: ControlPlane, audit: Audit, tmp_path: Path, figure: Figure
) -> None:
    namespace = world.api.namespace
    world.create(organization(keys={"maxPerMember": 200}), *(member(f"member-{number}") for number in range(10)))
    world.create(*(api_key(f"key-{number}", f"member-{number % 10}", **REGULAR) for number in range(KEYS)))
    options = ("--namespace", namespace, "--resync", str(RESYNC_SECONDS))
    with OperatorProcess(config_of(control_plane, CONTROLLER), tmp_path / "operator.log", *options) as operator:
        world.wait_valid_keys(KEYS, within=PATIENCE)
        world.wait_rest(within=PATIENCE)
        before = versions(world)
        lists = lists_in(audit, namespace)

        wait_sweeps(lists, SWEEPS, within=PATIENCE)
        assert versions(world) == before
        audit.reset()  # Not earlier: the answer to the last write may be logged after an object shows it.
        operator.stop()
        operator.start()
        wait_sweeps(lists, SWEEPS, within=PATIENCE)
        eventually(lambda: len(looked_at(audit, namespace)) == KEYS, within=PATIENCE, describe="each Secret is read")

        figure(f"{KEYS} keys, {lists()} lists of them, {len(audit.entries())} requests")
        assert [entry for entry in audit.entries() if entry.is_write and entry.namespace == namespace] == []
        everywhere = [entry for entry in audit.writes(user_agent=USER_AGENT) if not entry.namespace]
        assert everywhere == []
        assert versions(world) == before

        world.create(api_key("sentinel", "member-0"))
        world.issue("sentinel", within=30)
        world.wait_rest()
        issued = [entry.resource for entry in audit.writes(user_agent=USER_AGENT) if entry.name == "sentinel"]
        assert issued == ["secrets", "apikeys/status"]


def looked_at(audit: Audit, namespace: str) -> set[str]:
    """Return the names of the Secrets that were read."""
    return {
        entry.name
        for entry in audit.entries()
        if (entry.verb, entry.resource, entry.namespace) == ("get", "secrets", namespace)
    }


def versions(world: World) -> dict[tuple[str, str], str]:
    """Return the resourceVersion of every object."""
    return {
        (plural, body["metadata"]["name"]): body["metadata"]["resourceVersion"]
        for plural in ("organizations", "memberships", "apikeys", "secrets")
        for body in world.api.list(plural)
    }
