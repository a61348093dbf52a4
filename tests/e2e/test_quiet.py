"""With nothing to do nothing is written: a minute with a thousand keys, sweeps and a restart in it."""

import time
from pathlib import Path

from support.audit import Audit
from support.eventually import eventually
from support.identity import CONTROLLER, config_of
from support.manifests import api_key, member, organization
from support.operator_process import OperatorProcess
from support.sweeps import USER_AGENT, lists_in, wait_sweeps
from support.world import World
from tenure_dev.controlplane import ControlPlane

KEYS = 1000
QUIET_SECONDS = 60
RESYNC_SECONDS = 8


def test_a_minute_without_writes(world: World, control_plane: ControlPlane, audit: Audit, tmp_path: Path) -> None:
    namespace = world.api.namespace
    world.create(organization(), *(member(f"member-{number}") for number in range(10)))
    world.create(*(api_key(f"key-{number}", f"member-{number % 10}", ttl="1000h") for number in range(KEYS)))
    options = ("--namespace", namespace, "--resync", str(RESYNC_SECONDS))
    with OperatorProcess(config_of(control_plane, CONTROLLER), tmp_path / "operator.log", *options) as operator:
        world.wait_valid_keys(KEYS, within=120)
        for number in range(10):
            wait_key_count(world, f"member-{number}", KEYS // 10)
        before, start = versions(world), time.monotonic()
        audit.reset()
        lists = lists_in(audit, namespace)

        wait_sweeps(lists)
        operator.stop()
        operator.start()
        wait_sweeps(lists)
        eventually(lambda: time.monotonic() - start > QUIET_SECONDS, within=QUIET_SECONDS, every=1)

        assert [entry for entry in audit.entries() if entry.is_write and entry.namespace == namespace] == []
        assert audit.writes(user_agent=USER_AGENT) == []
        assert versions(world) == before
        looked_at = {entry.name for entry in audit.entries() if (entry.verb, entry.resource) == ("get", "secrets")}
        assert len(looked_at) == KEYS

        world.create(api_key("sentinel", "member-0"))
        world.issue("sentinel", within=30)
        issued = [entry.resource for entry in audit.writes(user_agent=USER_AGENT) if entry.name == "sentinel"]
        assert issued == ["secrets", "apikeys/status"]


def wait_key_count(world: World, name: str, count: int) -> None:
    eventually(
        lambda: world.member(name)["status"].get("keyCount") == count, within=30, describe=f"{name} has {count} keys"
    )


def versions(world: World) -> dict[tuple[str, str], str]:
    """Return the resourceVersion of every object."""
    return {
        (plural, body["metadata"]["name"]): body["metadata"]["resourceVersion"]
        for plural in ("organizations", "memberships", "apikeys", "secrets")
        for body in world.api.list(plural)
    }
