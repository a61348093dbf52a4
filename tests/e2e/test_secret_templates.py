"""What a key's `secretTemplate` puts into its Secret, and what it can't."""

import pytest

from support.cluster.world import World
from support.objects.manifests import api_key, member, organization
from support.run.eventually import eventually

RESERVED = (
    "app.kubernetes.io/",
    "argocd.argoproj.io/",
    "helm.toolkit.fluxcd.io/",
    "kubectl.kubernetes.io/",
    "kustomize.toolkit.fluxcd.io/",
    "meta.helm.sh/",
    "tenure.dev/",
    "velero.io/",
)
OUR_LABELS = {"app.kubernetes.io/managed-by": "tenure", "tenure.dev/membership": "alice"}


@pytest.mark.parametrize(
    ("prefixes", "copied"),
    [
        pytest.param([], set(), id="none listed"),
        pytest.param(["acme.io/t", *RESERVED], {"acme.io/team"}, id="one listed, and all reserved ones"),
    ],
)
@pytest.mark.usefixtures("operator")
def test_a_template_is_copied_as_far_as_the_organization_lists_its_prefixes_and_no_tool_owns_them(
    world: World, prefixes: list[str], copied: set[str]
) -> None:
    wanted = {f"{prefix}team": "payments" for prefix in ("acme.io/", "acme.io.example.org/", "other.io/", *RESERVED)}
    wanted |= {"team": "payments", **dict.fromkeys(OUR_LABELS, "mallory")}
    template = {"labels": wanted, "annotations": wanted, "tokenKey": "API_KEY"}
    keys = {"secretMetadataPrefixes": prefixes}
    world.create(organization(keys=keys), member("alice"), api_key("laptop", "alice", secretTemplate=template))
    world.issue("laptop")

    stored = world.api.get("secrets", "laptop")
    assert stored is not None
    assert stored["data"]["API_KEY"] == stored["data"]["token"]
    metadata = stored["metadata"]
    assert {key for key, value in metadata["labels"].items() if value == "payments"} == copied
    assert {key for key, value in metadata["annotations"].items() if value == "payments"} == copied
    assert OUR_LABELS.items() <= metadata["labels"].items()
    assert "mallory" not in {*metadata["labels"].values(), *metadata["annotations"].values()}


@pytest.mark.usefixtures("operator")
def test_a_template_that_the_api_server_rejects_waits_for_a_better_one(world: World) -> None:
    keys = {"secretMetadataPrefixes": ["acme.io/"]}
    bad = {"value": {"acme.io/team": "pay ments!"}, "key": {"acme.io/pay ments": "x"}}
    world.create(organization(keys=keys), member("alice"), api_key("ci", "alice"))
    world.create(*(api_key(name, "alice", secretTemplate={"labels": labels}) for name, labels in bad.items()))
    for name in bad:
        message = world.wait_reason(name, "SecretRejected")["status"]["conditions"][0]["message"]
        assert "metadata.labels" in message
        assert "pay ments" in message
    world.issue("ci")

    for name, labels in bad.items():
        world.change_key(name, secretTemplate={"labels": {**dict.fromkeys(labels), "acme.io/team": "payments"}})
    world.issue(*bad)


@pytest.mark.usefixtures("operator")
def test_an_events_note_that_is_too_long_for_the_api_server_is_cut_and_not_lost(world: World) -> None:
    """It counts bytes, and takes 1,024."""
    labels = {f"acme.io/{number}": "\N{KEY}" * 60 + str(number) for number in range(2)}
    world.create(organization(keys={"secretMetadataPrefixes": ["acme.io/"]}), member("alice"))
    world.create(api_key("laptop", "alice", secretTemplate={"labels": labels}))
    message = world.wait_reason("laptop", "SecretRejected")["status"]["conditions"][0]["message"]
    assert len(message[:1024].encode()) > 1024

    (event,) = eventually(lambda: world.events("SecretRejected"), describe="an Event")
    assert len(event["note"].encode()) > 1000
    assert message.startswith(event["note"])
