"""The configuration that sends requests to the webhooks leaves no way around them, and fails closed."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from support.api.client import denial, refusal
from support.cluster.acme import Acme, attacked
from support.cluster.people import LIMITED_GITOPS, MEMBERS, Person, is_permitted
from support.objects import manifests
from support.run.eventually import eventually
from tenure.domain.resources import KINDS
from tenure.kube import webhooks

if TYPE_CHECKING:
    from admission.conftest import Judged

Body = dict[str, Any]

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
CONFIGURATIONS = f"{ADMISSION}/validatingwebhookconfigurations"


@pytest.fixture(scope="module")
def acme(judged: "Judged") -> Iterator[Acme]:
    with attacked(judged.plane) as acme:
        yield acme


@pytest.fixture
def registered(acme: Acme) -> Body:
    """Give the configuration as the API server holds it."""
    body: Body = acme.client.read(webhooks.PATH)
    return body


@pytest.fixture
def install(acme: Acme) -> Iterator[Callable[[str, Body], None]]:
    """Give a function that installs what concerns the test's namespace alone, and takes it away afterwards."""
    installed: list[str] = []

    def create(collection: str, body: Body) -> None:
        acme.client.post(collection, body)
        installed.append(f"{collection}/{body['metadata']['name']}")

    yield create
    for path in reversed(installed):
        acme.client.remove(path)


def here(acme: Acme) -> Body:
    """A selector of the test's namespace."""
    return {"matchLabels": {"kubernetes.io/metadata.name": acme.client.namespace}}


def copy_of(registered: Body, acme: Acme, **webhook: Any) -> Body:
    """The configuration once more, for one namespace, with other fields."""
    made = [{**one, "namespaceSelector": here(acme), **webhook} for one in registered["webhooks"]]
    metadata = {"name": f"copy-{uuid4().hex[:8]}"}
    return {"apiVersion": registered["apiVersion"], "kind": registered["kind"], "metadata": metadata, "webhooks": made}


def test_every_kind_and_operation_is_judged_and_an_unanswered_question_refuses(registered: Body) -> None:
    judged = {}
    for webhook in registered["webhooks"]:
        (rule,) = webhook["rules"]
        judged[tuple(rule["resources"])] = rule
        assert sorted(rule["operations"]) == ["CREATE", "DELETE", "UPDATE"]
        assert (rule["apiGroups"], rule["apiVersions"], rule["scope"]) == (["tenure.dev"], ["v1alpha1"], "Namespaced")
        assert (webhook["failurePolicy"], webhook["matchPolicy"]) == ("Fail", "Equivalent")
        assert webhook["timeoutSeconds"] == 5
    assert set(judged) == {(resource.plural,) for resource in KINDS}


def test_no_label_keeps_an_object_or_a_namespace_from_being_judged(registered: Body) -> None:
    assert [webhook["namespaceSelector"] for webhook in registered["webhooks"]] == [{}] * len(KINDS)
    assert [webhook["objectSelector"] for webhook in registered["webhooks"]] == [{}] * len(KINDS)


@pytest.mark.parametrize("person", MEMBERS, ids=str)
def test_no_role_of_tenures_changes_who_is_judged(acme: Acme, person: Person) -> None:
    scope = f"--namespace={acme.client.namespace}"
    everything = acme.plane.kubectl(scope, "auth", "can-i", "--list", as_user=person.user).stdout
    assert "memberships.tenure.dev" in everything
    assert "admissionregistration" not in everything
    for resource in ("organizations/status", "memberships/status", "apikeys/status"):
        for verb in ("update", "patch"):
            assert not is_permitted(acme.client, person.user, verb, resource)


def test_1_7_an_unknown_path_refuses(acme: Acme, registered: Body, install: Callable[[str, Body], None]) -> None:
    body = copy_of(registered, acme)
    for webhook in body["webhooks"]:
        webhook["clientConfig"] = {**webhook["clientConfig"], "url": webhook["clientConfig"]["url"] + "-renamed"}
    install(CONFIGURATIONS, body)
    wait_refused(acme, "the server could not find the requested resource")


def test_1_7_an_untrusted_listener_refuses(acme: Acme, registered: Body, install: Callable[[str, Body], None]) -> None:
    body = copy_of(registered, acme)
    for webhook in body["webhooks"]:
        webhook["clientConfig"] = {"url": webhook["clientConfig"]["url"]}
    install(CONFIGURATIONS, body)
    wait_refused(acme, "certificate signed by unknown authority")


def test_1_7_a_condition_that_fails_refuses(acme: Acme, registered: Body, install: Callable[[str, Body], None]) -> None:
    broken = {"name": "broken", "expression": "object.metadata.labels['nowhere'] == 'x'"}
    install(CONFIGURATIONS, copy_of(registered, acme, matchConditions=[broken]))
    wait_refused(acme, "no such key")


def wait_refused(acme: Acme, says: str) -> None:
    """Wait until the API server knows a configuration that fails, and see that it refuses."""

    def refused() -> bool:
        error = refusal(lambda: acme.client.create("memberships", manifests.member("dana"), dryRun="All"))
        return error is not None and error.code in {400, 403, 500} and says in error.body["message"]

    eventually(refused, within=30, describe=f"a creation is refused with {says}")
    assert refusal(lambda: acme.client.create("memberships", manifests.member("dana"))) is not None
    assert acme.client.get("memberships", "dana") is None


def test_1_7_what_another_webhook_makes_of_a_member_is_judged(acme: Acme, install: Callable[[str, Body], None]) -> None:
    name = f"promote-{uuid4().hex[:8]}"
    rule = {
        "apiGroups": ["tenure.dev"],
        "apiVersions": ["*"],
        "resources": ["memberships"],
        "operations": ["CREATE", "UPDATE"],
    }
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [rule], "namespaceSelector": here(acme)},
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "mutations": [
                {
                    "patchType": "JSONPatch",
                    "jsonPatch": {"expression": "[JSONPatch{op: 'replace', path: '/spec/role', value: 'Owner'}]"},
                }
            ],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name},
    }
    install(f"{ADMISSION}/mutatingadmissionpolicies", policy)
    install(f"{ADMISSION}/mutatingadmissionpolicybindings", binding)
    body = manifests.member("dana", "Viewer")

    def promoted() -> bool:
        return bool(acme.client.create("memberships", body, dryRun="All")["spec"]["role"] == "Owner")

    eventually(promoted, within=30, describe="the policy promotes")
    message = denial(lambda: acme.by(LIMITED_GITOPS).create("memberships", body))
    assert "lacks grant-owner on organizations.tenure.dev/acme" in message
    assert acme.client.get("memberships", "dana") is None
