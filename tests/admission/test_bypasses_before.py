"""Objects that were there before the webhooks, and would be refused now: they can be mended, demoted and removed.

The webhooks of this file are installed only once these objects exist, on a control plane of their own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from support.api.client import Client, denial, fresh_namespace
from support.cluster.people import OUTSIDER, bind, plain, subject, wait_permitted
from support.cluster.world import World
from support.objects import manifests
from support.programs.webhook_process import WebhookProcess
from tenure_dev import webhooks
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CRDS

Body = dict[str, Any]

LABELS = {f"example.com/{number:05}": "x" * 60 for number in range(14_000)}
"""1.2 MB as JSON: etcd takes 1.5 MiB, and a review of a change holds two of them."""


@dataclass(frozen=True)
class Before:
    """A namespace whose objects are older than the webhooks, as the administrator and as an outsider see it."""

    client: Client
    outsider: Client
    default: Client


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Before]:
    folder = tmp_path_factory.mktemp("before")
    with (
        ControlPlane.start(find_or_build(), folder, crds=CRDS) as plane,
        fresh_namespace(plane) as client,
    ):
        default = Client(plane, "default")
        default.create("organizations", manifests.organization("misplaced"))
        fill(client)
        bind(plane, client.namespace, "plain", [subject(OUTSIDER.user)], plain())
        wait_permitted(client, OUTSIDER.user, "deletecollection", "apikeys")
        outsider = OUTSIDER.at(client)
        port = webhooks.install(plane)
        with WebhookProcess(plane.kubeconfig, folder / "webhook.log", port):
            yield Before(client, outsider, default)
        outsider.close()
        default.close()


def fill(client: Client) -> None:
    """Create what the webhooks would refuse."""
    deny = [{"from": "None", "to": "*"}, {"from": "*", "to": "Analyst"}]
    rules: Body = {"roleChanges": {"deny": deny}, "keys": {"maxPerMember": 1}}
    rules["allowedEmailDomains"] = ["elsewhere.example"]
    World(client).create(
        manifests.organization(**rules),
        manifests.organization("second"),
        manifests.member("olga", "Owner"),
        manifests.member("oscar", "Owner"),
        manifests.marked(manifests.member("large"), labels=LABELS),
        manifests.marked(manifests.member("larger", "Owner"), labels=LABELS),
        manifests.member("alice"),
        {**manifests.member("alice"), "metadata": {"name": "alice-2"}},
        manifests.member("anna", "Analyst"),
        manifests.api_key("one", "alice"),
        manifests.api_key("two", "alice", expiresAt="2026-01-01T00:00:00Z"),
        manifests.marked(manifests.api_key("large", "alice"), labels=LABELS),
        manifests.api_key("orphan", "nobody", secretTemplate={"labels": {"velero.io/x": "y"}}),
    )


def test_what_was_there_is_judged_like_everything_else(before: Before) -> None:
    message = denial(lambda: before.outsider.patch("memberships", "alice", {"spec": {"role": "Owner"}}))
    assert f"{OUTSIDER.user} lacks grant-member, grant-owner" in message
    denial(lambda: before.outsider.delete("memberships", "alice-2"))
    denial(lambda: before.outsider.delete("apikeys", "one"))


def test_a_member_of_1_2_mb_is_demoted_and_removed(before: Before) -> None:
    message = denial(lambda: before.outsider.patch("memberships", "large", {"spec": {"role": "Viewer"}}))
    assert "lacks grant-member, grant-viewer" in message
    for role in ("Viewer", "Member", "Viewer"):
        made = before.client.patch("memberships", "large", {"spec": {"role": role}})
        assert made["spec"]["role"] == role
        assert len(made["metadata"]["labels"]) == len(LABELS)
    before.client.delete("memberships", "large")
    assert before.client.get("memberships", "large") is None


def test_an_owner_of_1_2_mb_is_demoted(before: Before) -> None:
    made = before.client.patch("memberships", "larger", {"spec": {"role": "Viewer"}})
    assert made["spec"]["role"] == "Viewer"


def test_a_key_of_1_2_mb_is_changed_and_removed(before: Before) -> None:
    before.client.patch("apikeys", "large", {"spec": {"revision": 2}})
    before.client.delete("apikeys", "large")


def test_of_too_many_labels_some_can_be_taken_away_and_none_added(before: Before) -> None:
    few = dict(list(LABELS.items())[:100])
    before.client.patch("memberships", "olga", {"metadata": {"labels": dict(list(few.items())[:64])}})
    message = denial(lambda: before.client.patch("memberships", "olga", {"metadata": {"labels": few}}))
    assert "metadata.labels: 100 labels, but at most 64 are allowed" in message
    more = {"example.com/more": "x"}
    message = denial(lambda: before.client.patch("memberships", "larger", {"metadata": {"labels": more}}))
    assert f"metadata.labels: {len(LABELS) + 1} labels, but at most 64" in message
    before.client.patch("memberships", "larger", {"metadata": {"labels": {"example.com/00000": None}}})
    before.client.patch("memberships", "larger", {"metadata": {"labels": {"example.com/00001": "changed"}}})


def test_a_member_of_a_domain_that_is_denied_changes_roles(before: Before) -> None:
    before.client.patch("memberships", "oscar", {"spec": {"role": "Member"}})
    before.client.patch("memberships", "oscar", {"spec": {"role": "Owner"}})


def test_a_member_with_a_role_that_is_denied_leaves_it_and_never_returns(before: Before) -> None:
    before.client.patch("memberships", "anna", {"spec": {"role": "Viewer"}})
    message = denial(lambda: before.client.patch("memberships", "anna", {"spec": {"role": "Analyst"}}))
    assert "spec.role: Organization acme denies Viewer -> Analyst" in message


def test_the_second_membership_of_a_subject_is_changed_and_removed(before: Before) -> None:
    before.client.patch("memberships", "alice-2", {"spec": {"role": "Viewer"}})
    before.client.delete("memberships", "alice-2")


def test_keys_over_the_quota_and_over_time_are_changed_and_removed(before: Before) -> None:
    before.client.patch("apikeys", "two", {"spec": {"forRole": "Member"}})
    before.client.delete("apikeys", "two")
    message = denial(lambda: before.client.create("apikeys", manifests.api_key("three", "alice")))
    assert "keys.maxPerMember" in message


def test_labels_for_a_secret_that_were_there_stay_and_none_are_added(before: Before) -> None:
    before.client.patch("apikeys", "orphan", {"spec": {"revision": 2}})
    more = {"spec": {"secretTemplate": {"labels": {"velero.io/more": "z"}}}}
    message = denial(lambda: before.client.patch("apikeys", "orphan", more))
    assert "spec.secretTemplate.labels.velero.io/more: " in message
    before.client.patch("apikeys", "orphan", {"spec": {"secretTemplate": None}})


def test_an_organization_in_the_wrong_place_is_changed_and_removed(before: Before) -> None:
    before.default.patch("organizations", "misplaced", {"spec": {"displayName": "Misplaced"}})
    before.default.delete("organizations", "misplaced")
    before.client.patch("organizations", "second", {"spec": {"displayName": "Second"}})
    before.client.delete("organizations", "second")
