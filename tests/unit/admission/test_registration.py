"""A rewritten webhook configuration is told from the shipped one by what decides which changes are judged."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tenure.admission.configuration import webhook_configuration
from tenure.admission.registration import find_alterations
from tenure.kube.webhooks import Registration

Webhook = dict[str, Any]
NAMES = ["acme", "globex"]
OF_NAMES = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": NAMES}]}
ENFORCED = {"matchExpressions": [{"key": "control-plane", "operator": "DoesNotExist"}]}


def stored(change: Callable[[Webhook], Any] = lambda _: None, at: int = 1) -> Registration:
    """The shipped configuration as the API server stores it, after a change of one webhook."""
    body = json.loads(json.dumps(webhook_configuration()))
    body["metadata"]["resourceVersion"] = "1"
    for webhook in body["webhooks"]:
        webhook |= {"namespaceSelector": {}, "objectSelector": {}}
    change(body["webhooks"][at])
    return Registration.from_body(body)


HARMLESS: Mapping[str, Callable[[Webhook], Any]] = {
    "nothing": lambda _: None,
    "the authorities": lambda webhook: webhook["clientConfig"].update(caBundle="YWJj"),
    "the address": lambda webhook: webhook.update(clientConfig={"url": "https://127.0.0.1/x"}),
    "no selectors": lambda webhook: [webhook.pop("namespaceSelector"), webhook.pop("objectSelector")],
    "the time limit": lambda webhook: webhook.update(timeoutSeconds=10),
}
ALTERED: Mapping[str, tuple[Callable[[Webhook], Any], str]] = {
    "failurePolicy": (lambda webhook: webhook.update(failurePolicy="Ignore"), "failurePolicy"),
    "namespaceSelector": (lambda webhook: webhook.update(namespaceSelector=ENFORCED), "namespaceSelector"),
    "objectSelector": (lambda webhook: webhook.update(objectSelector=ENFORCED), "objectSelector"),
    "fewer operations": (lambda webhook: webhook["rules"][0]["operations"].pop(), "rules"),
    "no rules": (lambda webhook: webhook["rules"].clear(), "rules"),
    "another condition": (lambda webhook: webhook["matchConditions"][0].update(expression="false"), "matchConditions"),
    "one more condition": (
        lambda webhook: webhook["matchConditions"].append({"name": "x", "expression": "false"}),
        "matchConditions",
    ),
    "matchPolicy": (lambda webhook: webhook.update(matchPolicy="Exact"), "matchPolicy"),
    "two fields": (
        lambda webhook: webhook.update(failurePolicy="Ignore", matchPolicy="Exact"),
        "failurePolicy, matchPolicy",
    ),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
@pytest.mark.parametrize("namespaces", [[], NAMES])
def test_what_does_not_decide_who_is_judged_may_differ(change: Callable[[Webhook], Any], namespaces: list[str]) -> None:
    assert find_alterations(stored(change), namespaces) == ""


@pytest.mark.parametrize(("change", "fields"), [pytest.param(*row, id=name) for name, row in ALTERED.items()])
def test_the_webhook_and_the_field_are_named(change: Callable[[Webhook], Any], fields: str) -> None:
    assert find_alterations(stored(change), []) == f"memberships.tenure.dev has another {fields}"


def test_the_charts_selector_belongs_to_its_namespaces() -> None:
    def select(webhook: Webhook) -> None:
        webhook["namespaceSelector"] = OF_NAMES

    assert find_alterations(stored(select), NAMES) == ""
    for others in ([], ["acme"]):
        assert find_alterations(stored(select), others) == "memberships.tenure.dev has another namespaceSelector"


def test_a_missing_webhook_and_a_missing_configuration_are_named() -> None:
    def rename(webhook: Webhook) -> None:
        webhook["name"] = "other"

    assert find_alterations(stored(rename, at=2), []) == "apikeys.tenure.dev is missing"
    assert find_alterations(None, []) == "it was deleted"
