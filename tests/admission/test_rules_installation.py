"""An installation's limits: of these and an organization's own rules the stricter hold, before and after storing.

Webhooks and operator run with `--limits` here, on a control plane of their own.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from support.api.client import Client, denial, fresh_namespace
from support.cluster.world import World
from support.objects import manifests
from support.programs.installation import Installation
from support.run.eventually import eventually
from tenure.kube import webhooks
from tenure.kube.names import WEBHOOK_CONFIGURATION

Body = manifests.Body

LIMITS = "--limits=maxTTL=24h,maxPerMember=2,requireExpiry=true"
LONG = 30.0

POLICIES: Mapping[str, tuple[Body, Body]] = {
    "is looser": (
        {"maxTTL": "8760h", "maxPerMember": 50, "requireExpiry": False},
        {"maxTTL": "24h", "maxPerMember": 2, "requireExpiry": True},
    ),
    "is stricter": (
        {"maxTTL": "1h", "maxPerMember": 1, "requireExpiry": True},
        {"maxTTL": "1h", "maxPerMember": 1, "requireExpiry": True},
    ),
    "is stricter in one thing": (
        {"maxTTL": "30m", "maxPerMember": 9},
        {"maxTTL": "30m", "maxPerMember": 2, "requireExpiry": True},
    ),
}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with (
        Installation.start(tmp_path_factory.mktemp("limits")) as given,
        given.serving(LIMITS),
    ):
        yield given


@pytest.fixture
def client(installation: Installation) -> Iterator[Client]:
    with fresh_namespace(installation.plane) as client:
        yield client


@pytest.fixture
def unjudged(installation: Installation, client: Client) -> Iterator[None]:
    """Have no webhook registered, as if somebody had found a way around it."""
    registered = client.read(webhooks.PATH)
    client.remove(webhooks.PATH)
    fresh = {"metadata": {"name": WEBHOOK_CONFIGURATION}, **{part: registered[part] for part in ("apiVersion", "kind")}}

    def passes() -> bool:
        body = manifests.organization("probe")
        other = Client(installation.plane, "default")
        try:
            other.create("organizations", body, dryRun="All")
        finally:
            other.close()
        return True

    eventually(passes, within=LONG, describe="nothing is judged")
    yield
    client.post(webhooks.PATH.rpartition("/")[0], {**fresh, "webhooks": registered["webhooks"]})


def set_up(client: Client, **keys: Any) -> World:
    world = World(client)
    world.create(manifests.organization(keys=keys), manifests.member("olga", "Owner"), manifests.member("alice"))
    return world


@pytest.mark.parametrize(("own", "wanted"), POLICIES.values(), ids=POLICIES)
def test_the_stricter_of_both_holds_and_the_status_shows_it(client: Client, own: Body, wanted: Body) -> None:
    world = set_up(client, **own)

    def shown() -> Body:
        policy = (client.get("organizations", "acme") or {})["status"]["policy"]
        return {name: policy[name] for name in wanted}

    eventually(lambda: shown() == wanted, within=LONG, describe=f"the status shows {wanted}")
    limit = wanted["maxTTL"]
    longest = {"24h": "24h", "1h": "60m", "30m": "1800s"}[limit]

    message = denial(lambda: client.create("apikeys", manifests.api_key("endless", "alice")))
    assert message.startswith("spec: Keys of this organization must expire (keys.requireExpiry). ")
    message = denial(lambda: client.create("apikeys", manifests.api_key("long", "alice", ttl="24h1s")))
    assert message.startswith(f"spec: The key would be valid for longer than {limit}, ")
    names = [f"key-{number}" for number in range(wanted["maxPerMember"])]
    world.create(*(manifests.api_key(name, "alice", ttl=longest) for name in names))
    world.issue(*names, within=LONG)
    message = denial(lambda: client.create("apikeys", manifests.api_key("more", "alice", ttl="1m")))
    assert message.startswith(f"spec.membership: alice already has {wanted['maxPerMember']} key")


@pytest.mark.usefixtures("unjudged")
@pytest.mark.parametrize(
    "own", [{}, {"maxTTL": "8760h", "maxPerMember": 50, "requireExpiry": False}], ids=["", "looser"]
)
def test_what_was_let_past_the_webhook_waits_in_the_reconciler(client: Client, own: Body) -> None:
    world = set_up(client, **own)
    world.create(manifests.api_key("endless", "alice"), manifests.api_key("long", "alice", ttl="25h"))
    world.create(*(manifests.api_key(f"key-{number}", "alice", ttl="24h") for number in range(2)))
    world.issue("key-0", "key-1", within=LONG)
    world.create(manifests.api_key("more", "alice", ttl="1h"))
    world.wait_reason("endless", "PolicyViolation", within=LONG)
    world.wait_reason("long", "PolicyViolation", within=LONG)
    world.wait_reason("more", "QuotaExceeded", within=LONG)
    assert {body["metadata"]["name"] for body in client.list("secrets")} == {"key-0", "key-1"}
    client.delete("apikeys", "key-0")
    world.issue("more", within=LONG)
