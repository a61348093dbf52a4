"""The lease of an organization's Owners, at each moment at which a second change can come in between."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests

from support.api.api import Api, ApiRefusedError
from support.api.client import Client, denial_of, fresh_namespace, refusal
from support.api.kubectl import NamespacedKubectl
from support.api.review import Door, review
from support.cluster.authority import registered
from support.cluster.leases import Gate, hold_lease, is_lease_of, stored_lease, touch
from support.faults.exchange import Answer, Reply, Request
from support.faults.proxy import Proxy
from support.objects import manifests
from support.programs.webhook_process import WebhookProcess
from support.run.eventually import eventually
from tenure_dev.controlplane import ControlPlane

REQUEST_SECONDS, LEASE_SECONDS = 1, 11
ONLY_OWNER = "is the only Owner of Organization acme"
TOO_MANY = 429


@pytest.fixture(scope="module")
def plane(own_plane: ControlPlane) -> ControlPlane:
    """Give a control plane where nobody but the test and the webhook writes anything."""
    return own_plane


@pytest.fixture(scope="module")
def port(plane: ControlPlane) -> Iterator[int]:
    with registered(plane) as port:
        yield port


@pytest.fixture(scope="module")
def own_proxy(plane: ControlPlane) -> Iterator[Proxy]:
    with Proxy(plane) as proxy:
        yield proxy


@pytest.fixture
def proxy(own_proxy: Proxy) -> Proxy:
    """Give the proxy through which the webhook sees the API server."""
    own_proxy.reset()
    return own_proxy


@pytest.fixture(scope="module")
def process(port: int, own_proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookProcess]:
    folder = tmp_path_factory.mktemp("lease")
    config, seconds = own_proxy.kubeconfig(folder / "config"), f"--request-timeout={REQUEST_SECONDS}"
    with WebhookProcess(config, folder / "webhook.log", port, seconds) as process:
        yield process


@pytest.fixture
def webhook(process: WebhookProcess, proxy: Proxy) -> WebhookProcess:
    """Give the webhook, which runs, and which the test may kill."""
    assert proxy.on_request is None
    return process if process.running else process.start()


@pytest.fixture
def client(plane: ControlPlane, webhook: WebhookProcess) -> Iterator[Client]:
    """Give an organization with the Owners olga and omar."""
    del webhook
    with fresh_namespace(plane) as client:
        acme = manifests.organization()
        eventually(
            lambda: client.create("organizations", acme), within=30, describe="the API server trusts the webhook"
        )
        for name in ("olga", "omar"):
            client.create("memberships", manifests.member(name, "Owner"))
        yield client


@contextmanager
def meanwhile(client: Client, name: str) -> Iterator[Future[ApiRefusedError | None]]:
    """Demote somebody in another thread, and give what will become of it."""
    other = client.as_user("")  # The same administrator, on connections of its own.
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(lambda: refusal(lambda: demote(other, name)))


def demote(client: Api, name: str) -> object:
    return client.patch("memberships", name, {"spec": {"role": "Viewer"}})


def code(error: ApiRefusedError | None) -> int:
    return requests.codes.ok if error is None else error.code


def owners(client: Api) -> list[str]:
    return [body["metadata"]["name"] for body in client.list("memberships", fieldSelector="spec.role=Owner")]


def stored(client: Client, name: str) -> dict[str, Any]:
    found = client.get("memberships", name)
    assert found is not None, f"{name} is gone"
    return found


def test_while_one_owner_goes_the_other_has_to_wait(client: Client, proxy: Proxy) -> None:
    gate = Gate(proxy, stored(client, "olga"))
    with meanwhile(client, "olga") as going:
        gate.wait_closed()
        assert code(refusal(lambda: demote(client, "omar"))) == TOO_MANY
        gate.open()
        assert going.result() is None
    assert ONLY_OWNER in denial_of_demotion(client, "omar")


def test_a_change_that_meets_a_conflict_is_judged_again_and_passes(client: Client, proxy: Proxy) -> None:
    olga = stored(client, "olga")
    gate = Gate(proxy, olga)
    with meanwhile(client, "olga") as going:
        gate.wait_closed()
        touch(client, "olga")
        gate.open()
        assert going.result() is None
    leases = [one for one in proxy.writes("leases") if is_lease_of(olga["metadata"]["uid"], one.request)]
    assert len(leases) == 2, "it was not judged twice"
    assert owners(client) == ["omar"]


def test_once_the_change_can_not_be_stored_any_more_the_lease_is_free(client: Client, proxy: Proxy) -> None:
    gate = Gate(proxy, stored(client, "olga"))
    with meanwhile(client, "olga") as going:
        gate.wait_closed()
        touch(client, "olga")
        demote(client, "omar")
        gate.open()
        refused = going.result()
    assert refused is not None
    assert ONLY_OWNER in denial_of(refused)
    assert owners(client) == ["olga"]


def test_a_second_change_to_the_same_owner_does_not_open_the_lease(client: Client, proxy: Proxy) -> None:
    gate = Gate(proxy, stored(client, "olga"))
    with meanwhile(client, "olga") as going:
        gate.wait_closed()
        with meanwhile(client, "olga") as second:
            assert second.result() is None
        assert code(refusal(lambda: demote(client, "omar"))) == requests.codes.forbidden
        gate.open()
        assert going.result() is None
    assert owners(client) == ["omar"]


def test_a_lease_that_ends_while_the_owners_are_listed_has_not_ended_before(
    client: Client, proxy: Proxy, plane: ControlPlane
) -> None:
    seconds = 2
    hold_lease(plane, stored(client, "olga"), seconds=seconds)

    async def delay(request: Request, reply: Reply) -> Answer:
        del reply
        if request.resource == "memberships" and request.is_list:
            await asyncio.sleep(seconds)
        return None

    proxy.on_response = delay
    assert code(refusal(lambda: demote(client, "omar"))) == TOO_MANY
    proxy.reset()
    demote(client, "omar")


def test_a_made_up_review_does_not_open_the_lease(client: Client, proxy: Proxy, plane: ControlPlane, port: int) -> None:
    olga = stored(client, "olga")
    forged = {**olga, "metadata": {**olga["metadata"], "resourceVersion": "999999999999"}}
    made_up = review(client.namespace, name="olga", operation="DELETE", object=None, oldObject=forged)
    assert Door(plane, port).post(made_up).lets_in
    gate = Gate(proxy, olga)
    with meanwhile(client, "olga") as going:
        gate.wait_closed()
        other = refusal(lambda: demote(client, "omar"))
        gate.open()
        assert going.result() is None
    assert code(other) == TOO_MANY
    assert owners(client) == ["omar"]


def test_a_webhook_killed_between_the_lease_and_its_answer_holds_nobody_up_for_long(
    client: Client, proxy: Proxy, webhook: WebhookProcess, plane: ControlPlane
) -> None:
    proxy.after_write(1, webhook.kill, resource="leases")
    assert code(refusal(lambda: demote(client, "olga"))) == requests.codes.server_error
    proxy.reset()
    lease = stored_lease(plane, client.namespace)
    assert lease is not None
    assert lease["spec"]["leaseDurationSeconds"] == LEASE_SECONDS
    assert sorted(owners(client)) == ["olga", "omar"]

    webhook.start()
    eventually(lambda: demote(client, "omar"), within=LEASE_SECONDS + 5, every=0.5, describe="the lease has ended")

    assert acquired(plane, client) - datetime.fromisoformat(lease["spec"]["acquireTime"]) >= timedelta(
        seconds=LEASE_SECONDS
    )
    assert owners(client) == ["olga"]
    assert ONLY_OWNER in denial_of_demotion(client, "olga")


def test_the_killed_webhook_s_own_change_passes_at_once(client: Client, proxy: Proxy, webhook: WebhookProcess) -> None:
    proxy.after_write(1, webhook.kill, resource="leases")
    assert code(refusal(lambda: demote(client, "olga"))) == requests.codes.server_error
    proxy.reset()
    webhook.start()

    eventually(
        lambda: code(refusal(lambda: demote(client, "olga"))) == requests.codes.ok, within=5, describe="it passes"
    )

    assert owners(client) == ["omar"]


def test_two_of_three_owners_go_in_one_kubectl_apply(client: Client, plane: ControlPlane) -> None:
    client.create("memberships", manifests.member("oscar", "Owner"))
    kubectl = NamespacedKubectl(plane.kubectl, client.namespace)

    kubectl.apply(*(manifests.member(name, "Member") for name in ("olga", "omar")))

    assert owners(client) == ["oscar"]


def test_kubectl_waits_by_itself_until_the_lease_is_free(client: Client, plane: ControlPlane) -> None:
    seconds = 4
    hold_lease(plane, stored(client, "omar"), seconds=seconds)
    held = acquired(plane, client)
    kubectl = NamespacedKubectl(plane.kubectl, client.namespace)

    kubectl.apply(manifests.member("olga", "Member"))

    assert acquired(plane, client) - held >= timedelta(seconds=seconds)
    assert owners(client) == ["omar"]


def test_kubectl_that_gives_up_says_what_to_do(client: Client, plane: ControlPlane) -> None:
    hold_lease(plane, stored(client, "omar"), seconds=600)
    kubectl = NamespacedKubectl(plane.kubectl, client.namespace)

    done = kubectl("patch", "membership", "olga", "--type=merge", '--patch={"spec":{"role":"Member"}}', check=False)

    assert done.returncode == 1
    assert "Another Owner of Organization acme is being changed at this moment. Try again in a second." in done.stderr


def acquired(plane: ControlPlane, client: Client) -> datetime:
    """When the lease was taken by whoever holds it."""
    lease = stored_lease(plane, client.namespace)
    assert lease is not None
    return datetime.fromisoformat(lease["spec"]["acquireTime"])


def denial_of_demotion(client: Client, name: str) -> str:
    refused = refusal(lambda: demote(client, name))
    assert refused is not None, "it passed"
    return denial_of(refused)


def test_one_of_two_first_owners_comes_if_a_rule_denies_all_others(
    plane: ControlPlane, webhook: WebhookProcess, proxy: Proxy
) -> None:
    del webhook
    acme = manifests.organization(roleChanges={"deny": [{"from": one, "to": "Owner"} for one in ("*", "None")]})
    with fresh_namespace(plane) as client:
        eventually(
            lambda: client.create("organizations", acme), within=30, describe="the API server trusts the webhook"
        )
        client.create("memberships", manifests.member("alice", "Member"))

        def first(api: Api) -> object:
            return api.patch("memberships", "alice", {"spec": {"role": "Owner"}})

        def second() -> object:
            return client.create("memberships", manifests.member("bob", "Owner"))

        gate = Gate(proxy, {"metadata": {"uid": "first-owner/alice"}})
        other = client.as_user("")
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(lambda: refusal(lambda: first(other)))
            gate.wait_closed()
            assert code(refusal(second)) == TOO_MANY
            gate.open()
            assert coming.result() is None
        assert owners(client) == ["alice"]
        refused = refusal(second)
        assert refused is not None, "it passed"
        assert "denies a new member with the role Owner" in denial_of(refused)
