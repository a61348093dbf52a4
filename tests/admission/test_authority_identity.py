"""Whose authority is asked for: the requester's whole identity, a person by the identity provider's name for them.

The webhook and the operator of this file speak with the API server through proxies, on a control plane of their own.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from requests import codes

from support.api.client import Client, denial, denial_of, fresh_namespace, refusal
from support.cluster import people
from support.cluster.people import plain, subject
from support.cluster.world import World
from support.faults.exchange import DROP, Answer, Reply, Request
from support.faults.proxy import Proxy
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from support.programs.rights import rights_of
from support.programs.webhook_process import WebhookProcess
from tenure.domain.roles import Role
from tenure.kube.right import ALWAYS, Place
from tenure.observability.metrics import Component
from tenure_dev import webhooks
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT, CRDS

PREFIX = "oidc:"
OPERATOR = "system:serviceaccount:tenure-system:tenure"
SAM = f"{PREFIX}sam@acme.io"
REVIEWS = "subjectaccessreviews"


@dataclass(frozen=True)
class Halves:
    """A control plane, and the proxy between it and the webhook."""

    plane: ControlPlane
    proxy: Proxy


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Halves]:
    """Give a control plane on which people's names have a prefix, and the operator has no rights but its own."""
    folder = tmp_path_factory.mktemp("halves")
    with (
        ControlPlane.start(find_or_build(), folder, crds=CRDS) as plane,
        Proxy(plane) as proxy,
        Proxy(plane, as_user=OPERATOR) as rights,
    ):
        plane.kubectl("apply", "--server-side", "--filename", str(CHECKOUT / "manifests" / "roles.yaml"))
        let_operate(plane)
        port = webhooks.install(plane)
        prefix = f"--username-prefix={PREFIX}"
        webhook = WebhookProcess(proxy.kubeconfig(folder / "webhook"), folder / "webhook.log", port, prefix)
        operator = OperatorProcess(
            rights.kubeconfig(folder / "operator"), folder / "operator.log", "--no-webhooks", prefix
        )
        with webhook, operator:
            yield Halves(plane, proxy)


def let_operate(plane: ControlPlane) -> None:
    """Give the operator the rights that it asks for, in all namespaces."""
    rules = [right.to_rule() for right in rights_of(Component.CONTROLLER, Place.CLUSTER, Place.SERVED, when=(ALWAYS,))]
    people.bind_everywhere(plane, "tenure", [subject(OPERATOR)], *rules)


@pytest.fixture
def acme(halves: Halves) -> Iterator[Client]:
    """Give an organization in which sam may grant every role, and olga is an Owner."""
    with fresh_namespace(halves.plane) as client:
        people.bind(halves.plane, client.namespace, "sam", [subject(SAM)], plain(), people.granting(Role))
        people.wait_permitted(client, SAM, "grant-owner", "organizations")
        client.create("organizations", organization())
        client.create("memberships", member("olga", "Owner"))
        yield client
        halves.proxy.reset()


def asked(proxy: Proxy) -> list[dict[str, Any]]:
    """What the webhook asked the API server's authorizers."""
    return [one.request.json["spec"] for one in proxy.exchanges if one.request.resource == REVIEWS]


def test_nobody_raises_themselves_where_names_have_a_prefix(acme: Client) -> None:
    acme.create("memberships", member("sam", "Viewer"))
    sam = acme.as_user(SAM)
    message = denial(lambda: sam.patch("memberships", "sam", {"spec": {"role": "Owner"}}))
    assert (
        message
        == f"spec.role: {SAM} can't raise their own role. Ask an Owner or a cluster administrator to make this change."
    )


def test_nobody_makes_themselves_a_member_where_names_have_a_prefix(acme: Client) -> None:
    sam = acme.as_user(SAM)
    message = denial(lambda: sam.create("memberships", member("sam", "Viewer")))
    assert (
        message
        == f"spec.role: {SAM} can't raise their own role. Ask an Owner or a cluster administrator to make this change."
    )


@pytest.mark.parametrize("impostor", ["sam@acme.io", "oidc:Sam@acme.io", "oidc:oidc:sam@acme.io", "OIDC:sam@acme.io"])
def test_a_name_without_the_very_prefix_is_somebody_else(acme: Client, halves: Halves, impostor: str) -> None:
    people.bind(halves.plane, acme.namespace, "impostor", [subject(impostor)], plain())
    people.wait_permitted(acme, impostor, "deletecollection", "apikeys")
    acme.create("memberships", member("sam", "Viewer"))
    somebody = acme.as_user(impostor)
    message = denial(lambda: somebody.create("apikeys", api_key("laptop", "sam")))
    assert message.startswith(f"spec.membership: {impostor} lacks grant-viewer on ")


def test_ones_own_keys_are_found_by_the_prefixed_name(acme: Client, halves: Halves) -> None:
    vic = f"{PREFIX}vic@acme.io"
    people.bind(halves.plane, acme.namespace, "vic", [subject(vic)], plain())
    people.wait_permitted(acme, vic, "deletecollection", "apikeys")
    acme.create("memberships", member("vic", "Viewer"))
    acme.as_user(vic).create("apikeys", api_key("laptop", "vic"))
    World(acme).issue("laptop")
    assert (acme.get("memberships", "vic") or {})["status"]["username"] == vic


def test_the_whole_identity_is_asked_about(acme: Client, halves: Halves) -> None:
    identity = {
        "Impersonate-User": "robot@acme.io",
        "Impersonate-Group": "robots",
        "Impersonate-Uid": "4711",
        "Impersonate-Extra-Reason": "INC-4711",
    }
    people.bind(halves.plane, acme.namespace, "robots", [subject("robots", "Group")], plain(), people.granting(Role))
    robot = acme.as_user("robot@acme.io").with_headers(identity)
    people.wait_permitted(acme, "robot@acme.io", "grant-viewer", "organizations", groups=["robots"])
    halves.proxy.reset()

    robot.create("memberships", member("alice", "Viewer"))

    (question,) = asked(halves.proxy)
    assert question == {
        "user": "robot@acme.io",
        "uid": "4711",
        "groups": ["robots", "system:authenticated"],
        "extra": {"reason": ["INC-4711"]},
        "resourceAttributes": {
            "group": "tenure.dev",
            "resource": "organizations",
            "verb": "grant-viewer",
            "namespace": acme.namespace,
            "name": "acme",
        },
    }


@pytest.mark.parametrize(
    ("old", "new", "verbs"),
    [
        pytest.param(None, "Viewer", ["grant-viewer"], id="creation"),
        pytest.param("Viewer", "Analyst", ["grant-analyst", "grant-viewer"], id="change"),
        pytest.param("Analyst", None, ["grant-analyst"], id="removal"),
    ],
)
def test_no_more_is_asked_than_the_change_needs(
    acme: Client, halves: Halves, old: str | None, new: str | None, verbs: list[str]
) -> None:
    if old is not None:
        acme.create("memberships", member("alice", old))
        # A patch that meets the operator's write of the status would be judged twice.
        World(acme).wait_reason("alice", "Active", plural="memberships", within=30)
    sam = acme.as_user(SAM)
    halves.proxy.reset()
    if new is None:
        sam.delete("memberships", "alice")
    elif old is None:
        sam.create("memberships", member("alice", new))
    else:
        sam.patch("memberships", "alice", {"spec": {"role": new}})
    assert sorted(question["resourceAttributes"]["verb"] for question in asked(halves.proxy)) == verbs


def test_a_write_of_what_is_there_asks_for_nothing(acme: Client, halves: Halves) -> None:
    acme.create("memberships", member("alice", "Viewer"))
    World(acme).wait_reason("alice", "Active", plural="memberships", within=30)
    stored = acme.get("memberships", "alice")
    assert stored is not None
    halves.proxy.reset()
    acme.as_user(SAM).replace("memberships", stored)
    assert asked(halves.proxy) == []


async def _never(_: Request) -> Answer:
    await asyncio.sleep(30)
    return DROP


def _answers(reply: Answer) -> Any:
    async def hook(request: Request) -> Answer:
        return reply if request.resource == REVIEWS else None

    return hook


FAULTS: dict[str, Any] = {
    "an internal error": _answers(Reply.failure(500, "InternalError")),
    "a refusal": _answers(Reply.failure(403, "Forbidden")),
    "too many requests": _answers(Reply.failure(429, "TooManyRequests")),
    "unavailable": _answers(Reply.failure(503, "ServiceUnavailable")),
    "a broken connection": _answers(DROP),
    "no JSON": _answers(Reply(201, b"allowed")),
    "an empty object": _answers(Reply.json({}, status=201)),
    "an answer without status": _answers(Reply.json({"status": None}, status=201)),
    "an empty status": _answers(Reply.json({"status": {}}, status=201)),
    "a text instead of a truth value": _answers(Reply.json({"status": {"allowed": "true"}}, status=201)),
    "no answer in time": _never,
}


_IN_A_MOMENT = ("an internal error", "too many requests", "unavailable", "a broken connection", "no JSON")
NOT_NOW = [FAULTS[name] for name in (*_IN_A_MOMENT, "no answer in time")]
"""Faults that may be over in a moment."""


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_whatever_goes_wrong_in_the_question_denies(acme: Client, halves: Halves, fault: Any) -> None:
    sam = acme.as_user(SAM)
    halves.proxy.on_request = fault
    error = refusal(lambda: sam.create("memberships", member("alice", "Viewer")))
    halves.proxy.reset()
    assert error is not None, "it passed"
    # "Not now" is repeated by clients, and "no" isn't.
    not_now = error.code == codes.too_many_requests
    assert not_now is (fault in NOT_NOW)
    message = str(error.body["message"]) if not_now else denial_of(error)
    assert error.body.get("details", {}).get("retryAfterSeconds") == (1 if not_now else None)
    assert "Traceback" not in message
    assert acme.get("memberships", "alice") is None
    sam.create("memberships", member("alice", "Viewer"))


def test_the_operator_deletes_the_keys_of_a_changed_role_by_the_right_to_revoke(acme: Client) -> None:
    world = World(acme)
    acme.create("memberships", member("alice", "Member"))
    acme.create("apikeys", api_key("laptop", "alice"))
    world.issue("laptop")
    world.change_role("alice", "Viewer")
    world.wait_gone("apikeys", "laptop", within=30)
    world.wait_gone("secrets", "laptop")


def test_whoever_holds_the_right_to_revoke_deletes_a_key_and_changes_none(acme: Client, halves: Halves) -> None:
    guard = f"{PREFIX}guard@acme.io"
    revoke = people.rule(["apikeys"], ["revoke"], "laptop")
    people.bind(halves.plane, acme.namespace, "guard", [subject(guard)], plain(), revoke)
    people.wait_permitted(acme, guard, "revoke", "apikeys", "laptop")
    acme.create("memberships", member("alice", "Member"))
    for name in ("laptop", "desktop"):
        acme.create("apikeys", api_key(name, "alice"))
    as_guard = acme.as_user(guard)

    message = denial(lambda: as_guard.patch("apikeys", "laptop", {"spec": {"revision": 2}}))
    assert message.startswith(f"spec.membership: {guard} lacks grant-member on ")
    denial(lambda: as_guard.delete("apikeys", "desktop"))
    as_guard.delete("apikeys", "laptop")

    assert {body["metadata"]["name"] for body in acme.list("apikeys")} == {"desktop"}
