"""kstatus, Argo CD's Lua and Flux's CEL say of an object in each state what the table says, whoever reads it."""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import celpy
import celpy.adapter
import pytest
import yaml
from lupa import lua51

from support.cases.arrangements import REACHED, title
from support.cases.health import SEEN, conditions
from tenure_dev.paths import CHECKOUT
from tenure_dev.tools import Tools

Body = dict[str, Any]

MANIFESTS = CHECKOUT / "manifests"
KINDS = ("Organization", "Membership", "ApiKey")
HEALTH_KEY = "resource.customizations.health.tenure.dev_"
SHUT_IN_ARGOCD = ("string", "math", "io", "os", "debug", "coroutine", "package", "python")
"""Libraries that a health script doesn't have; `os` is there as a stub, which a script needn't rely on."""


def scripts() -> Mapping[str, str]:
    """The Lua scripts, by kind."""
    data = yaml.safe_load((MANIFESTS / "argocd" / "argocd-cm.yaml").read_text())["data"]
    return {key.removeprefix(HEALTH_KEY): script for key, script in data.items()}


def expressions() -> Mapping[str, Mapping[str, str]]:
    """The CEL expressions, by kind, in Flux's order."""
    (kustomization,) = [
        body
        for body in yaml.safe_load_all((MANIFESTS / "flux" / "organization-acme.yaml").read_text())
        if body["kind"] == "Kustomization"
    ]
    order = ("inProgress", "failed", "current")
    return {each["kind"]: {name: each[name] for name in order} for each in kustomization["spec"]["healthCheckExprs"]}


def argocd(script: str, body: Body) -> tuple[str, str]:
    """Run a script as Argo CD does: in Lua 5.1, with the object as `obj`, and few libraries."""
    lua = lua51.LuaRuntime(unpack_returned_tuples=True)
    globals_ = lua.globals()
    for library in SHUT_IN_ARGOCD:
        globals_[library] = None
    globals_["obj"] = lua.table_from(body, recursive=True)
    health: Any = lua.execute(script)
    return str(health["status"]), str(health["message"])


def flux(expressions: Mapping[str, str], body: Body) -> list[str]:
    """Evaluate the expressions over an object, and return the names of those that hold."""
    environment = celpy.Environment()
    fields = {name: celpy.adapter.json_to_cel(value) for name, value in body.items()}
    programs = {name: environment.program(environment.compile(text)) for name, text in expressions.items()}
    return [name for name, program in programs.items() if program.evaluate(fields)]


@pytest.fixture(scope="package")
def kstatus(states: Mapping[str, Body]) -> Mapping[str, str]:
    """What kstatus computes of each object."""
    lines = "\n".join(json.dumps(body) for body in states.values())
    program = str(Tools.find_or_build().kstatus)
    result = subprocess.run([program], input=lines, capture_output=True, text=True, check=True)
    computed = [line.partition("\t")[0] for line in result.stdout.splitlines()]
    return dict(zip(states, computed, strict=True))


@pytest.mark.parametrize("name", SEEN)
def test_kstatus_computes(kstatus: Mapping[str, str], name: str) -> None:
    assert kstatus[name] == SEEN[name].kstatus


@pytest.mark.parametrize("name", SEEN)
def test_argocd_is_told(states: Mapping[str, Body], name: str) -> None:
    body = states[name]
    status, message = argocd(scripts()[body["kind"]], body)
    assert status == SEEN[name].health
    current = body["status"]["observedGeneration"] == body["metadata"]["generation"]
    assert message == (conditions(body)["Ready"]["message"] if current else "waits for Tenure")


@pytest.mark.parametrize("name", SEEN)
def test_flux_is_told_the_same_by_one_expression(states: Mapping[str, Body], name: str) -> None:
    (holds,) = flux(expressions()[states[name]["kind"]], states[name])
    assert {"inProgress": "Progressing", "failed": "Degraded", "current": "Healthy"}[holds] == SEEN[name].health


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [None, {}, {"conditions": []}], ids=["no status", "empty status", "no conditions"])
def test_argocd_waits_for_an_object_with(kind: str, status: Body | None) -> None:
    body = {"kind": kind, "metadata": {"generation": 1}, **({} if status is None else {"status": status})}
    assert argocd(scripts()[kind], body) == ("Progressing", "waits for Tenure")


def test_each_state_has_its_row() -> None:
    waiting = [f"{kind} {what}" for what in ("new", "changed") for kind in KINDS]
    assert sorted(SEEN) == sorted([*map(title, REACHED), *waiting])


def test_the_objects_are_what_the_api_server_gives(states: Mapping[str, Body]) -> None:
    new = {name: body["status"] for name, body in states.items() if name.endswith(" new")}
    assert new == {f"{kind} new": {"observedGeneration": -1} for kind in KINDS}
    changed = [body for name, body in states.items() if name.endswith(" changed")]
    assert all(body["status"]["observedGeneration"] < body["metadata"]["generation"] for body in changed)
    assert all(conditions(body)["Ready"]["status"] == "True" for body in changed)


def test_no_kind_is_ever_called_suspended() -> None:
    """A sync engine would wait for it for ever."""
    assert {seen.health for seen in SEEN.values()} == {"Healthy", "Progressing", "Degraded"}


def test_each_kind_has_the_same_script_and_the_same_expressions() -> None:
    assert tuple(scripts()) == KINDS
    assert tuple(expressions()) == KINDS
    assert len(set(scripts().values())) == 1
    assert len({tuple(each.values()) for each in expressions().values()}) == 1
