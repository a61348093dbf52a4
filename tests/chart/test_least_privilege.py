"""All programs run as the chart's ServiceAccounts: no right is missing, and none is there that isn't used."""

import base64
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
import yaml

from support.api.api import Api, ApiRefusedError
from support.api.audit import Audit, Entry
from support.cluster.identity import CONTROLLER, MAIL, VERIFIER, WEBHOOK, config_of
from support.cluster.world import World
from support.objects import manifests
from support.programs.accept_page import KEY
from support.programs.altered import EVERYBODY_IS_NEW, altered_mail
from support.programs.mail_process import MailProcess
from support.programs.mail_server import SENDER, Mailbox, mail_server
from support.programs.operator_process import OperatorProcess
from support.programs.webhook_process import WebhookProcess
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure.certificates.authority import Authority
from tenure.domain.tokens import Token
from tenure_dev import verifier, webhooks
from tenure_dev.build import find_or_build
from tenure_dev.chart import render
from tenure_dev.controlplane import ControlPlane, free_ports
from tenure_dev.paths import CHECKOUT, CRDS

ACCOUNTS = (CONTROLLER, WEBHOOK, VERIFIER, MAIL)
NAMES = ["controller", "webhook", "verifier", "mail"]

Right = tuple[str, str, str]
"""API group, resource with its subresource, and verb."""

# The watches of an operator that runs are still open, and the audit log has what is complete.
_RUNNING = 30

POLICIES = ("templates/statuspolicy.yaml", "templates/secretpolicy.yaml")

OTHERS = {
    "organizations": manifests.organization(),
    "memberships": manifests.member("mallory"),
    "apikeys": manifests.api_key("forged", "mallory"),
}
"""Objects of a namespace where nobody but the controller does anything."""

_ARGUMENTS = ("--no-webhooks", "--resync", "2", "--leader-election", "--kubernetes-access=RolesAndKeys")

EVERYBODYS = {("authorization.k8s.io", "selfsubjectaccessreviews", "create")}
"""What Kubernetes lets every authenticated client do."""

USED_ELSEWHERE = {
    # A new installation creates its authority; this one renews the one that it finds. Only a Secret of another type,
    # which tests/unit/certificates replaces, is deleted.
    WEBHOOK: {("", "secrets", "create"), ("", "secrets", "delete")},
    # Only where a watch is behind a key's stamp.
    VERIFIER: {("tenure.dev", "memberships", "get")},
}

ASKED_BY_THE_API_SERVER = {
    ("tenure.dev", "apikeys", "revoke"),
    ("tenure.dev", "organizations/usage", "get"),
    ("rbac.authorization.k8s.io", "clusterroles", "bind"),
}
"""Virtual verbs and resources: no request has them. The webhooks' configuration asks for the first when ApiKeys are
deleted, the verifiers for the second when the controller asks them, RBAC itself for the third when RoleBindings are
written."""


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    folder = tmp_path_factory.mktemp("least-privilege")
    with ControlPlane.start(find_or_build(), folder, audit=True, crds=CRDS) as plane:
        yield plane


@pytest.fixture(scope="module")
def used(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Entry]]:
    """Live through all that Tenure does, and return the requests of each program."""
    assert plane.audit_log is not None
    folder = tmp_path_factory.mktemp("logs")
    install_policies(plane)
    port = webhooks.install(plane)
    store_old_authority(plane)
    plane.kubectl("apply", "--server-side", f"--filename={CHECKOUT / 'manifests' / 'roles.yaml'}")
    name = f"test-{uuid4().hex[:10]}"
    plane.kubectl("create", "namespace", name)
    audit = Audit(plane.audit_log)
    webhook = WebhookProcess(config_of(plane, WEBHOOK), folder / "webhook.log", port)
    operator = OperatorProcess(config_of(plane, CONTROLLER), folder / "operator.log", *_ARGUMENTS)
    (verify_port,) = free_ports(1)
    verifying = OperatorProcess(
        config_of(plane, VERIFIER), folder / "verifier.log", command=verifier.command(verify_port)
    )
    with mail_server(Mailbox(rcpt={"otto@acme.io": ["550 5.1.1 unknown"]})) as smtp_port:
        page_port, mailing = mail_process(plane, folder, smtp_port)
        with webhook, operator, verifying, mailing:
            ask_for_letter(World(Api(plane, name)), page_port)
            live(World(Api(plane, name)), f"http://127.0.0.1:{verify_port}")
    eventually(lambda: has_watched(audit), within=_RUNNING, describe="the closed watches are in the audit log")
    return {user: [entry for entry in audit.entries() if entry.user == user] for user in ACCOUNTS}


def mail_process(plane: ControlPlane, folder: Path, smtp_port: int) -> tuple[int, MailProcess]:
    """Return a process that sends letters to new members, and the port of its page."""
    (folder / "keys").mkdir()
    (folder / "keys" / "k1").write_bytes(base64.b64encode(KEY.secret))
    (port,) = free_ports(1)
    process = MailProcess(
        config_of(plane, MAIL),
        folder / "mail.log",
        f"--page-port={port}",
        "--base-url=http://join.acme.io",
        f"--signing-keys={folder / 'keys'}",
        *("--smtp-host=localhost", f"--smtp-server-port={smtp_port}", "--smtp-security=None", f"--mail-from={SENDER}"),
        command=altered_mail(EVERYBODY_IS_NEW),
    )
    return port, process


def ask_for_letter(world: World, port: int) -> None:
    """Ask the mail process for a letter as a caller who may not."""
    place = f"--namespace={world.api.namespace}"
    bearer = world.api.plane.kubectl("create", "token", "default", place, "--audience=tenure-mail").stdout.strip()
    url = f"http://127.0.0.1:{port}/v1/invitations/{world.api.namespace}/alice:resend"
    answer = requests.post(url, headers={"Authorization": f"Bearer {bearer}"}, timeout=NEVER)
    assert answer.status_code == 403, answer.text


def wait_for_letters(world: World) -> None:
    """Wait until one member's letter is sent and another one's is rejected."""

    def told() -> bool:
        delivery = world.member("olga").get("status", {}).get("invitation", {}).get("delivery")
        return delivery == "Sent" and bool(world.events("LetterRejected"))

    eventually(told, within=60, describe="olga's letter is sent, and otto's is rejected")


def install_policies(plane: ControlPlane) -> None:
    """Have the API server refuse what only the controller does, and wait until it refuses a status."""
    shown = [f"--show-only={template}" for template in POLICIES]
    plane.kubectl("apply", "--server-side", "--filename=-", input=render(*shown))
    api = Api(plane, "default")
    for plural, body in OTHERS.items():
        api.create(plural, body)

    def refuses() -> bool:
        try:
            api.patch("organizations", "acme", {"status": {"observedGeneration": 7}}, subresource="status")
        except ApiRefusedError as error:
            return "only its controller writes it" in str(error)
        return False

    eventually(refuses, within=_RUNNING, describe="the policy is in force")
    api.close()


def live(world: World, verifier_url: str) -> None:
    """Issue keys, change roles, take owners away, delete: everything that needs a right."""
    for name in ("tenure-viewer", "tenure-keys-otto"):
        world.api.create("rolebindings", manifests.role_binding(name))
    world.api.create("roles", manifests.role("tenure-keys-otto"))
    world.organization(
        roleChanges={"whenKeysExist": "RequireAcknowledgement"},
        keys={"maxPerMember": 5},
        invitations={"mode": "Notify"},
        notifications={"keysRevoked": True},
    )
    world.create(
        manifests.member("olga", "Owner"),
        manifests.member("otto", "Owner"),
        manifests.member("oona", "Owner"),
        manifests.member("alice"),
        manifests.api_key("laptop", "alice"),
    )
    token = world.issue("laptop")["laptop"]
    wait_for_letters(world)
    ask_in_detail(world, token, verifier_url)
    world.change_key("laptop", rotation={"request": 1})
    world.wait_new_token("laptop", token, within=30)
    acknowledgement = {"tenure.dev/acknowledge-key-deletion": "Viewer: laptop"}
    world.change_role("alice", "Viewer", annotations=acknowledgement)
    world.wait_gone("apikeys", "laptop")
    world.change_role("otto", "Member")
    world.change_role("oona", "Member")
    with pytest.raises(ApiRefusedError, match="is the only Owner"):
        world.change_role("olga", "Member")
    drop_unknown_secret(world)
    world.create(manifests.api_key("held", "otto"))
    world.issue("held")
    world.wait_reason("acme", "BindingConflict", plural="organizations", type_="RolesBound")
    leave_own_keys(world)
    world.create(manifests.api_key("orphan", "olga"))
    world.issue("orphan")
    world.api.delete("organizations", "acme")
    world.wait_reason("orphan", "OrganizationGone")


def ask_in_detail(world: World, token: Token, verifier_url: str) -> None:
    """Ask about a token as somebody who isn't allowed to learn details."""
    bearer = world.api.plane.kubectl("create", "token", "default", f"--namespace={world.api.namespace}").stdout.strip()
    headers = {"Authorization": f"Bearer {bearer}"}

    def answered() -> bool:
        body = {"token": token.reveal()}
        answer = requests.post(f"{verifier_url}/v1/verify", headers=headers, json=body, timeout=NEVER)
        return bool(answer.json() == {"valid": True, "code": "Valid"})

    eventually(answered, within=30, describe="the verifier knows the key")


def drop_unknown_secret(world: World) -> None:
    """Have a Secret found that a key owns and doesn't know of, as a crash may leave it."""
    (key,) = world.create(manifests.api_key("next", "alice", forRole="Analyst"))
    world.wait_reason("next", "RoleMismatch")
    reference = {"apiVersion": key["apiVersion"], "kind": "ApiKey", "name": "next", "uid": key["metadata"]["uid"]}
    world.create(manifests.secret("next", ownerReferences=[{**reference, "controller": True}]))
    world.wait_gone("secrets", "next")


def leave_own_keys(world: World) -> None:
    """Have a member hand a key over and go, whose Role and RoleBinding no garbage collector takes along."""
    world.create(manifests.member("leaver"), manifests.api_key("left", "leaver"))
    token = world.issue("left")["left"]
    eventually(lambda: world.api.get("rolebindings", "tenure-keys-leaver"), describe="leaver reads their key")
    world.create(manifests.api_key("left-too", "leaver"))
    world.issue("left-too")
    eventually(lambda: "left-too" in str(world.api.get("roles", "tenure-keys-leaver")), describe="and the next one")
    world.change_key("left", membership="olga")
    world.wait_new_token("left", token, within=30)
    world.api.delete("memberships", "leaver", propagationPolicy="Orphan")
    eventually(lambda: world.api.get("rolebindings", "tenure-keys-leaver") is None, describe="their RoleBinding goes")


def store_old_authority(plane: ControlPlane) -> None:
    """Store an authority whose renewal is due, as it stands after months."""
    life = timedelta(days=90)
    old = Authority.create(datetime.now(UTC) - 3 * life, life)
    data = {"ca.crt": old.certificate, "ca.key": old.key}
    secret: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "tenure-webhook-ca", "namespace": webhooks.NAMESPACE},
        "data": {name: base64.b64encode(text).decode() for name, text in data.items()},
    }
    plane.kubectl("create", "--filename=-", input=json.dumps(secret))


def has_watched(audit: Audit) -> bool:
    watched = {entry.resource for entry in audit.entries() if entry.user == CONTROLLER and entry.verb == "watch"}
    return watched >= {"organizations", "memberships", "apikeys"}


def granted(account: str) -> set[Right]:
    """Return what the chart grants to one of its ServiceAccounts."""
    name = account.rpartition(":")[2]
    rendered = render("--show-only=templates/rbac.yaml", "--set=mail.enabled=true")
    bodies = [body for body in yaml.safe_load_all(rendered) if body]
    roles = [body for body in bodies if body["kind"] in {"ClusterRole", "Role"}]
    rules = [rule for role in roles if role["metadata"]["name"].startswith(name) for rule in role["rules"]]
    return set(expanded(rules))


def expanded(rules: Iterable[dict[str, Any]]) -> Iterator[Right]:
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                yield from ((group, resource, verb) for verb in rule["verbs"])


def asked(entries: Iterable[Entry]) -> set[Right]:
    """Return what was asked of resources; discovery asks of none."""
    return {(entry.group, entry.resource, entry.verb) for entry in entries if entry.resource}


@pytest.mark.usefixtures("used")
@pytest.mark.parametrize("plural", OTHERS)
def test_nobody_else_makes_up_a_status(plane: ControlPlane, plural: str) -> None:
    """An administrator has every right, and the policy asks for none."""
    api, name = Api(plane, "default"), OTHERS[plural]["metadata"]["name"]
    body = api.get(plural, name)
    assert body is not None
    assert body["status"]["observedGeneration"] == 1, "the controller wrote it"
    with pytest.raises(ApiRefusedError, match="only its controller writes it") as refusal:
        api.patch(plural, name, {"status": {"observedGeneration": 7}}, subresource="status")
    assert refusal.value.code == 403
    api.close()


@pytest.mark.parametrize("account", ACCOUNTS, ids=NAMES)
def test_no_right_is_missing(used: dict[str, list[Entry]], account: str) -> None:
    refused = [(entry.verb, entry.path) for entry in used[account] if entry.code == 403]
    assert refused == []
    assert asked(used[account]) - EVERYBODYS <= granted(account)


@pytest.mark.parametrize("account", ACCOUNTS, ids=NAMES)
def test_no_right_is_there_that_is_not_used(used: dict[str, list[Entry]], account: str) -> None:
    assert granted(account) - asked(used[account]) - ASKED_BY_THE_API_SERVER == USED_ELSEWHERE.get(account, set())
