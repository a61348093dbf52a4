"""The chart gives each ServiceAccount exactly the rights of the table, whatever values are set."""

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from tenure.kube.right import Place, When
from tenure.kube.rights import groups_of
from tenure.observability.metrics import Component
from tenure_dev.chart import NAMESPACE, render

SETTINGS: Mapping[str, tuple[Any, ...]] = {
    "webhook.enabled": (True, False),
    "verifier.enabled": (True, False),
    "namespaces": ([], ["a", "b"]),
    "certificates.mode": ("own", "certManager"),
    "kubernetesAccess": ("None", "Roles", "RolesAndKeys"),
}
"""Every value that decides about rights, with all that it may be."""

CONSOLES = [
    {"console.enabled": False, "console.mode": "Impersonation", "console.readOnly": False},
    {"console.enabled": True, "console.mode": "PassThrough", "console.readOnly": False},
    {"console.enabled": True, "console.mode": "Impersonation", "console.readOnly": False},
    {"console.enabled": True, "console.mode": "Impersonation", "console.readOnly": True},
]
"""The values of the console, which decide about its own rights alone."""

Values = Mapping[str, Any]
Granted = tuple[str, str, str, str, str]
"""Namespace (empty: all), API group, resource, name (empty: all) and verb."""


def combinations() -> Iterator[Values]:
    for number, chosen in enumerate(itertools.product(*SETTINGS.values())):
        # Both with each of the others, and not with each combination of them: one decides about one right alone, and
        # the other about a program of its own.
        switches = {"usage.enabled": number % 2 == 0, "mail.enabled": number % 4 < 2, **CONSOLES[number % 4]}
        values = {**dict(zip(SETTINGS, chosen, strict=True)), **switches}
        # The chart gives no access in Kubernetes without webhooks, and says so.
        if values["webhook.enabled"] or values["kubernetesAccess"] == "None":
            yield values


def needed(program: Component, values: Values) -> set[Granted]:
    """Return what the table says."""
    places = {Place.CLUSTER: [""], Place.SERVED: values["namespaces"] or [""], Place.SYSTEM: [NAMESPACE]}
    return {
        (namespace, right.group, right.label, right.name, verb)
        for group in groups_of(program)
        if is_met(group.when, values)
        for namespace in places[group.place]
        for right in group.rights
        for verb in right.verbs
    }


def is_met(when: When, values: Values) -> bool:
    return all(not part.value or values[part.value] in part.among for part in when.parts)


def granted(bodies: list[dict[str, Any]], program: Component) -> set[Granted]:
    """Return what the bindings of a program's ServiceAccount give it."""
    account = {"kind": "ServiceAccount", "name": f"tenure-{program}", "namespace": NAMESPACE}
    roles = {address(body): body["rules"] for body in bodies if body["kind"] in {"ClusterRole", "Role"}}
    bound = [
        (body["metadata"].get("namespace", ""), body["roleRef"])
        for body in bodies
        if account in body.get("subjects", ())
    ]
    return {
        (namespace, group, resource, name, verb)
        for namespace, role in bound
        for rule in roles[role["kind"], namespace if role["kind"] == "Role" else "", role["name"]]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    }


def address(body: dict[str, Any]) -> tuple[str, str, str]:
    return body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"]


@pytest.mark.parametrize("values", [pytest.param(one, id=" ".join(map(str, one.values()))) for one in combinations()])
def test_the_chart_gives_exactly_the_rights_of_the_table(values: Values) -> None:
    login = {"issuerUrl": "https://login.acme.io", "clientId": "tenure"}
    values = {**values, "console.url": "https://console.acme.io", "console.oidc": login}
    settings = [f"--set-json={name}={json.dumps(value)}" for name, value in values.items()]
    rendered = render("--show-only=templates/rbac.yaml", *settings)
    bodies = [body for body in yaml.safe_load_all(rendered) if body]
    left_out = {program for program in Component if not values.get(f"{program}.enabled", True)}
    for program in Component:
        assert granted(bodies, program) == (set() if program in left_out else needed(program, values))
