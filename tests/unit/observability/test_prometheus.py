"""Measurements begin at zero, gauges are read when asked for, and labels stay bounded."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import pytest
from prometheus_client import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from tenure.domain.verification import Code, Decision, Question
from tenure.observability.catalogue import (
    ADMISSION,
    KEYS,
    METRICS,
    MOST_KEY_IDS,
    OTHER,
    QUEUE_DEPTH,
    ROLE_CHANGES,
)
from tenure.observability.metrics import Component, MetricType, Reading
from tenure.observability.prometheus import Measurements
from tenure.verifier.callers import Callers
from tenure.verifier.http.app import VerifyApi
from tenure.verifier.index import Revocation
from tenure.verifier.verifier import Answer, Verifier

UNITS = ("_seconds", "_total", "_info")
COUNTS = (
    {"tenure_ready", "tenure_leader", "tenure_mail_leader", "tenure_keys", "tenure_memberships", "tenure_verifier_keys"}
    | {
        "tenure_webhook_registration_altered",
        "tenure_former_tokens",
        "tenure_rotations_overdue",
        "tenure_usage_silent_verifiers",
    }
    | {f"tenure_organization_{what}" for what in ("owners", "keys", "keys_expiring", "keys_unused")}
)
OF_QUEUES = {"tenure_mail_waiting", "tenure_queue_depth", "tenure_queue_retrying"}


async def shown(measurements: Measurements) -> dict[str, Family]:
    text = (await measurements.text()).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


async def test_series_with_fixed_labels_begin_at_zero() -> None:
    families = await shown(Measurements(Component.WEBHOOK))
    samples = families[ADMISSION.name.removesuffix("_total")].samples
    assert len(samples) == 3 * 3 * 4 * 2
    assert {sample.value for sample in samples} == {0}


def test_no_role_changes_into_itself() -> None:
    series = list(ROLE_CHANGES.known_series())
    assert len(series) == 12
    assert all(before != after for before, after in series)


async def test_gauges_are_read_anew_each_time() -> None:
    measurements = Measurements(Component.CONTROLLER)
    depth = 0

    async def read() -> list[Reading]:
        nonlocal depth
        depth += 1
        return [Reading(QUEUE_DEPTH, depth, ("objects", "ends"))] + [Reading(KEYS, 5, ("Issued",))] * (depth == 1)

    measurements.read_from(read)
    first, second = await shown(measurements), await shown(measurements)
    assert [first[QUEUE_DEPTH.name].samples[0].value, second[QUEUE_DEPTH.name].samples[0].value] == [1, 2]
    assert first[KEYS.name].samples[0].value == 5
    assert second[KEYS.name].samples == []


async def test_a_second_component_in_the_process_adds_its_metrics_once() -> None:
    measurements = Measurements(Component.CONTROLLER)
    measurements.include(Component.WEBHOOK)
    info = (await shown(measurements))["tenure_build_info"].samples
    assert [sample.labels["component"] for sample in info] == ["controller", "webhook"]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_say_the_unit_and_labels_are_bounded(metric: object) -> None:
    name, type_ = metric.name, metric.type  # type: ignore[attr-defined]
    assert name.endswith(UNITS) or name in COUNTS | OF_QUEUES
    assert name.endswith("_total") == (type_ is MetricType.COUNTER)
    assert all(label.values or label.bound for label in metric.labels)  # type: ignore[attr-defined]


@dataclass
class Dying:
    """A verifier to which every token is dead."""

    key_id: str = ""

    async def verify(self, text: str, question: Question) -> Answer:
        del text, question
        revocation = Revocation(Code.EXPIRED, datetime.now(UTC), "acme", "alice", None)
        return Answer(Decision(Code.EXPIRED), revocation, proven=True, key_id=self.key_id)


async def test_of_dead_keys_the_first_hundred_are_told_apart() -> None:
    measurements, verifier = Measurements(Component.VERIFIER), Dying()
    api = VerifyApi(cast("Verifier", verifier), cast("Callers", None), measurements)
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/authorize",
        "raw_path": b"/v1/authorize",
        "query_string": b"",
        "client": ("1.2.3.4", 5),
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    async def send(_: object) -> None:
        return

    for number in (*range(MOST_KEY_IDS + 5), 0):
        verifier.key_id = f"id{number}"
        await api({**scope, "headers": [(b"authorization", b"Bearer x")]}, receive, send)
    samples = (await shown(measurements))["tenure_dead_key_hits"].samples
    hits = {sample.labels["key_id"]: sample.value for sample in samples}
    assert len(hits) == MOST_KEY_IDS + 1
    assert (hits["id0"], hits["id1"], hits[OTHER]) == (2, 1, 5)
