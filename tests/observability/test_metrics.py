"""Every process shows the metrics of the table, and no others; each of them counts what it says."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from prometheus_client import Metric as Family

from support.api.api import ApiRefusedError
from support.cluster.world import World, fresh_world
from support.objects import manifests
from support.programs.observed import Observed, scrape
from support.run.eventually import eventually
from tenure.domain.tokens import Token
from tenure.observability.catalogue import metrics_of
from tenure.observability.metrics import Component

CONTROLLER, WEBHOOK, VERIFIER, MAIL, CONSOLE = Component
STANDARD = "process_"
LIFE_HOURS = 480
A_WHILE = 1800.0
"""Seconds, as long as the tests before may take on a slow machine; what isn't a time of today is far off."""
NOT_HERE = (
    *("tenure_verifier_certificate_", "tenure_mail_certificate_", "tenure_console_certificate_"),
    "tenure_organization_keys_unused",
)
"""What those show that serve with a certificate, and a controller that records use."""


@dataclass(frozen=True)
class Story:
    """An organization in which keys were issued and ended, a change was refused, and tokens were verified."""

    world: World
    dead: Token


@pytest.fixture(scope="module")
def story(observed: Observed) -> Iterator[Story]:
    with fresh_world(observed.judged.plane) as world:
        world.create(manifests.organization(), manifests.member("olga", "Owner"), manifests.member("alice", "Member"))
        world.create(*(manifests.api_key(name, "alice") for name in ("laptop", "phone")))
        world.create(manifests.api_key("ci", "olga", ttl=f"{LIFE_HOURS}h"), manifests.api_key("job", "olga", ttl="1h"))
        tokens = world.issue("laptop", "phone", "ci", "job", within=30)
        assert observed.verifier.code(tokens["laptop"]) == "Valid"
        with pytest.raises(ApiRefusedError):
            world.api.delete("memberships", "olga", dryRun=["All"])
        with pytest.raises(ApiRefusedError):
            world.api.delete("memberships", "olga")
        world.change_role("alice", "Viewer")
        world.wait_gone("apikeys", "laptop", within=30)
        world.wait_gone("apikeys", "phone", within=30)
        eventually(lambda: observed.verifier.code(tokens["laptop"]) == "RoleChanged", within=30, describe="it is dead")
        world.api.delete("apikeys", "job")
        world.wait_gone("apikeys", "job", within=30)
        world.wait_valid_keys(1, within=30)
        yield Story(world, tokens["laptop"])


def labels_of(family: Family) -> set[frozenset[str]]:
    return {frozenset(sample.labels) - {"le"} for sample in family.samples}


@pytest.mark.usefixtures("story")
@pytest.mark.parametrize("component", Component)
def test_a_process_shows_the_metrics_of_the_table_and_no_others(observed: Observed, component: Component) -> None:
    shown = scrape(observed.processes[component])
    table = {metric.name: metric for metric in metrics_of(component)}
    assert {name for name in shown if not name.startswith(STANDARD)} == table.keys()
    for name, metric in table.items():
        family = shown[name]
        assert (family.type, family.documentation) == (metric.type.value, metric.help), name
        expected = set() if name.startswith(NOT_HERE) else {frozenset(metric.label_names)}
        assert labels_of(family) == expected, name


@pytest.mark.usefixtures("story")
@pytest.mark.parametrize("component", Component)
def test_labels_with_fixed_values_have_no_others(observed: Observed, component: Component) -> None:
    shown = scrape(observed.processes[component])
    for metric in metrics_of(component):
        for label in metric.labels:
            seen = {sample.labels[label.name] for sample in shown[metric.name].samples}
            assert not label.values or seen <= set(label.values), (metric.name, label.name)


def test_keys_and_role_changes_are_counted_once(observed: Observed, story: Story) -> None:
    def shown(name: str, **labels: str) -> float:
        return observed.value(CONTROLLER, name, **labels)

    assert shown("tenure_keys_issued_total") == 4
    eventually(lambda: shown("tenure_keys_ended_total", reason="Deleted") == 1, within=30, describe="it is counted")
    assert shown("tenure_keys_ended_total", reason="RoleChanged") == 2
    assert shown("tenure_keys_ended_total") == 3
    assert shown("tenure_role_changes_total", **{"from": "Member", "to": "Viewer"}) == 1
    assert shown("tenure_role_changes_total") == 1
    assert shown("tenure_memberships", role="Owner") == 1
    assert shown("tenure_memberships", role="Viewer") == 1
    assert shown("tenure_keys", reason="Issued") == 1
    where = {"organization_namespace": story.world.api.namespace, "organization": "acme"}
    assert shown("tenure_organization_owners", **where) == 1
    assert shown("tenure_organization_keys", **where) == 1
    assert shown("tenure_organization_info", **where, reason="Active") == 1


def test_of_an_organization_the_first_key_to_expire_is_told_unless_it_is_short_lived(
    observed: Observed, story: Story
) -> None:
    where = {"organization_namespace": story.world.api.namespace, "organization": "acme"}
    at = observed.value(CONTROLLER, "tenure_key_expiry_timestamp_seconds", **where, key="ci")
    assert at == pytest.approx(time.time() + LIFE_HOURS * 3600, abs=A_WHILE)
    assert observed.value(CONTROLLER, "tenure_key_expiry_timestamp_seconds", **where) == at


@pytest.mark.usefixtures("story")
def test_a_dry_run_is_told_from_a_change(observed: Observed) -> None:
    def refused(dry_run: str) -> float:
        labels = {"kind": "Membership", "operation": "DELETE", "verdict": "refused"}
        return observed.value(WEBHOOK, "tenure_admission_total", **labels, dry_run=dry_run)

    assert (refused("true"), refused("false")) == (1, 1)
    judged = observed.value(WEBHOOK, "tenure_admission_total")
    assert observed.value(WEBHOOK, "tenure_admission_duration_seconds_count") == judged
    assert observed.value(WEBHOOK, "tenure_webhook_certificate_expiry_timestamp_seconds") > time.time()


def test_answers_of_the_console_are_counted(observed: Observed) -> None:
    assert observed.value(CONSOLE, "tenure_console_answers_total", code="401") == 1


def test_answers_are_counted_and_dead_keys_named(observed: Observed, story: Story) -> None:
    assert observed.value(VERIFIER, "tenure_verify_total", code="Valid") >= 1
    assert observed.value(VERIFIER, "tenure_dead_key_hits_total", key_id=story.dead.key_id) >= 1
    assert observed.value(VERIFIER, "tenure_verifier_keys") >= 1
    proof = observed.value(VERIFIER, "tenure_verifier_proof_timestamp_seconds", kind="Membership")
    assert proof == pytest.approx(time.time(), abs=A_WHILE)


@pytest.mark.usefixtures("story")
def test_the_controller_tells_how_its_work_goes(observed: Observed) -> None:
    def shown(name: str, **labels: str) -> float:
        return observed.value(CONTROLLER, name, **labels)

    assert shown("tenure_leader") == 1
    assert shown("tenure_reconcile_duration_seconds_count", kind="ApiKey", outcome="done") >= 4
    assert shown("tenure_list_timestamp_seconds", kind="ApiKey") == pytest.approx(time.time(), abs=A_WHILE)
    assert shown("tenure_watch_news_timestamp_seconds", kind="ApiKey") == pytest.approx(time.time(), abs=A_WHILE)
    eventually(lambda: shown("tenure_queue_depth") == 0, within=30, describe="the queue is empty")
    eventually(lambda: shown("tenure_watch_lag_seconds") == 0, within=30, describe="the watches told all")


@pytest.mark.usefixtures("story")
@pytest.mark.parametrize("component", Component)
def test_requests_to_the_api_server_are_counted_and_readiness_is_told(observed: Observed, component: Component) -> None:
    assert observed.value(component, "tenure_api_requests_total", method="GET", code="200") >= 1
    assert observed.value(component, "tenure_ready", component=component) == 1
    assert observed.value(component, "tenure_build_info", component=component) == 1
