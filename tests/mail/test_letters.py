"""Letters on a real API server: they arrive, wait for the mail server, are rejected, and are repeated after a crash."""

import base64
import sys
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from support.cluster.world import World, fresh_world
from support.objects import manifests
from support.objects.builders import condition, issued
from support.objects.letters import role_change
from support.programs.accept_page import KEY, now
from support.programs.mail_process import MailProcess
from support.programs.mail_server import SENDER, Mailbox, mail_server
from support.run.eventually import eventually
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.base import format_time
from tenure.kube.names import MAIL_KEYS, MAIL_LEDGER
from tenure_dev.controlplane import ControlPlane, free_ports
from tenure_dev.mail import COMMAND

BASE_URL = "https://join.acme.io/tenure"
IMPATIENT = """
from datetime import timedelta
from tenure.domain.invitations import state
from tenure.domain.letters import revoked
from tenure.mail.letters import backoff
revoked.GRACE = timedelta(0)
state.ARRIVAL = timedelta(days=-1)
backoff._FIRST = backoff._FIRST_OF_SERVER = timedelta(seconds=1)
from tenure.cli import main
main()
"""
"""Members who came with their organization count as accepted, and pauses are long. No test waits for any of them."""

Start = Callable[..., MailProcess]


@pytest.fixture
def world(own_plane: ControlPlane) -> Iterator[World]:
    with fresh_world(own_plane) as world:
        yield world


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def make(own_plane: ControlPlane, world: World, port: int, tmp_path: Path) -> Iterator[Start]:
    """Give what makes a process, with its Lease and its ledger in the world's own namespace."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "k1").write_bytes(base64.b64encode(KEY.secret))
    made: list[MailProcess] = []

    def make(*args: str) -> MailProcess:
        made.append(
            MailProcess(
                own_plane.kubeconfig,
                tmp_path / "mail.log",
                f"--namespace={world.api.namespace}",
                f"--system-namespace={world.api.namespace}",
                f"--page-port={free_ports(1)[0]}",
                f"--base-url={BASE_URL}",
                f"--signing-keys={tmp_path / 'keys'}",
                "--lease-duration=3",
                *("--smtp-host=localhost", f"--smtp-server-port={port}", "--smtp-security=None"),
                f"--mail-from={SENDER}",
                *args,
                command=(sys.executable, "-c", IMPATIENT, *COMMAND[3:]),
            )
        )
        return made[-1]

    yield make
    for process in made:
        if process.running:
            process.kill()


@pytest.fixture
def process(make: Start) -> MailProcess:
    return make()


def inviting(world: World, **spec: Any) -> None:
    """Create an organization whose mode the controller has noted."""
    world.organization(invitations={"mode": "RequireAcceptance", "contact": "platform@acme.io"}, **spec)
    noted = format_time(now() - timedelta(hours=1))
    status = {"observedGeneration": 1, "invitationsSince": noted, "acceptanceSince": noted}
    world.api.patch("organizations", "acme", {"status": status}, subresource="status")


def join(world: World, *names: str) -> None:
    """Create members whom the controller found to be in force."""
    for name in names:
        world.create(manifests.member(name, "Member"))
        ready = {"observedGeneration": 1, "conditions": [condition("Ready", "Active", holds=True)]}
        world.api.patch("memberships", name, {"status": ready}, subresource="status")


def invitation(world: World, name: str) -> dict[str, Any]:
    found: dict[str, Any] = world.member(name).get("status", {}).get("invitation", {})
    return found


def wait_for(world: World, name: str, delivery: str) -> dict[str, Any]:
    eventually(
        lambda: invitation(world, name).get("delivery") == delivery, within=60, describe=f"{name} shows {delivery}"
    )
    return invitation(world, name)


def test_letters_wait_for_the_mail_server_and_then_arrive_or_are_rejected(
    world: World, process: MailProcess, port: int
) -> None:
    inviting(world)
    join(world, "alice", "bob", "carol")
    with process:
        waiting = wait_for(world, "alice", "Waiting")
        assert f"localhost:{port}" in waiting["message"]
        assert "sentAt" not in waiting

        mailbox = Mailbox(
            rcpt={"bob@acme.io": ["550 5.1.1 <bob@acme.io> unknown user"], "carol@acme.io": ["451 4.7.1 greylisted"]}
        )
        with mail_server(mailbox, port):
            sent = wait_for(world, "alice", "Sent")
            rejected = wait_for(world, "bob", "Rejected")
            wait_for(world, "carol", "Sent")

    assert sent.keys() == {"delivery", "generation", "sentAt", "sentTo", "expiresAt"}
    assert sent["generation"] == 1
    assert rejected["message"].startswith("The letter to bob@acme.io was rejected: 550 5.1.1 <(address)> unknown user.")
    assert "sentAt" not in rejected
    (event,) = world.events("LetterRejected")
    assert event["regarding"]["name"] == "bob"
    assert event["note"] == "The mail server rejected a letter (Invited): 550 5.1.1 <(address)> unknown user"
    letters = {str(message["To"]): message for message in mailbox.messages}
    assert letters.keys() == {"alice@acme.io", "carol@acme.io"}
    body = letters["alice@acme.io"].get_body(("plain",))
    assert body is not None
    assert f"{BASE_URL}/invitations/" in body.get_content()
    assert "platform@acme.io" in body.get_content()
    assert mailbox.recipients.count("carol@acme.io") == 2
    assert "@acme.io" not in process.log.replace(SENDER, ""), "logs name Memberships, not addresses"
    stored = world.api.get("configmaps", "tenure-mail")
    assert stored is not None
    assert b"alice" not in base64.b64decode(stored["binaryData"]["ledger"])


def test_a_crash_before_the_status_repeats_the_letter_and_a_role_change_before_the_acceptance_sends_another(
    world: World, process: MailProcess, port: int
) -> None:
    inviting(world, notifications={"roleChanged": True})
    join(world, "alice")
    mailbox = Mailbox(hold=Event())
    assert mailbox.hold is not None
    with mail_server(mailbox, port):
        process.start()
        eventually(lambda: len(mailbox.messages) == 1, within=60, describe="the letter arrived")
        process.kill()
        assert "delivery" not in invitation(world, "alice")
        mailbox.hold.set()
        process.start(within=60)
        wait_for(world, "alice", "Sent")
        world.change_role("alice", "Viewer")
        eventually(lambda: invitation(world, "alice")["generation"] == 2, within=60, describe="the new role's letter")
        process.stop()
    uid = world.member("alice")["metadata"]["uid"]
    assert mailbox.ids == [*[f"<{uid}.1.invited@acme.io>"] * 2, f"<{uid}.2.invited@acme.io>"]


def hold_key(world: World, name: str, member: str) -> None:
    """Create a key that the controller has issued."""
    (key,) = world.create(manifests.api_key(name, member, description=f"{name} of {member}"))
    model = ApiKey.from_body(key)
    holder = Membership.from_body(world.member(member))
    organization = world.api.get("organizations", "acme")
    assert organization is not None
    status = issued(model, holder, Organization.from_body(organization)).status
    body = status.model_dump(by_alias=True, mode="json", exclude_none=True)
    world.api.patch("apikeys", name, {"status": body}, subresource="status")


def test_a_role_change_and_a_deletion_while_no_replica_runs_are_told_afterwards(
    world: World, process: MailProcess, port: int
) -> None:
    world.organization(notifications={"roleChanged": True, "keysRevoked": True})
    join(world, "alice", "bob")
    hold_key(world, "laptop", "alice")
    hold_key(world, "phone", "bob")
    mailbox = Mailbox()
    with mail_server(mailbox, port):
        process.start()
        eventually(lambda: has_recorded_both(world), within=60, describe="both keys are recorded")
        process.kill()
        world.change_role("alice", "Viewer")
        later = now() + timedelta(seconds=1)  # Times have whole seconds, and the notices have just begun.
        change = role_change(2, later, {"name": "laptop", "keyId": "8fK2mQ7xLw3Z", "fate": "Deleted"})
        world.api.patch("memberships", "alice", {"status": {"lastRoleChange": change}}, subresource="status")
        for name in ("laptop", "phone"):
            world.api.delete("apikeys", name)
        process.start(within=60)
        eventually(lambda: len(mailbox.messages) == len(("alice", "bob")), within=60, describe="both are told")
        process.stop()
    letters = {str(message["To"]): str(message.get_body(("plain",))) for message in mailbox.messages}
    assert "8fK2mQ7xLw3Z" in letters["alice@acme.io"]
    assert "phone of bob" in letters["bob@acme.io"]
    kinds = {one.partition("@")[0].rpartition(".")[2] for one in mailbox.ids}
    assert kinds == {"rolechanged", "keysrevoked"}


def has_recorded_both(world: World) -> bool:
    """Whether the record has both keys, and the ledger says since when the notices are wanted."""
    return len(recorded(world)) == len(("laptop", "phone")) and world.api.get("configmaps", MAIL_LEDGER) is not None


def recorded(world: World) -> list[str]:
    """The keys that the mail process has recorded, by the lines of its record."""
    stored = world.api.get("configmaps", MAIL_KEYS)
    if stored is None:
        return []
    lines = zlib.decompress(base64.b64decode(stored["binaryData"]["keys"])).decode().splitlines()
    return [line for line in lines if '"key"' in line]


def test_a_dry_run_prints_what_is_due_and_writes_nothing(world: World, make: Start, port: int) -> None:
    inviting(world)
    join(world, "alice")
    mailbox = Mailbox()
    process = make("--dry-run")
    with mail_server(mailbox, port):
        process.start(ready=False)
        eventually(lambda: not process.running, within=60, describe="it has printed everything")
    assert process.exit_code == 0, process.log
    assert "=== Invited to alice@acme.io" in process.log
    assert "Letters: 1 now, 0 held back, 0 without an address. None was sent." in process.log
    assert mailbox.recipients == []
    assert invitation(world, "alice") == {}
    assert world.api.get("configmaps", "tenure-mail") is None
