"""Argo CD's Lua, Flux's CEL and kstatus agree with the table of states, object by object."""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import celpy
import celpy.adapter
import lupa
import pytest
import yaml

from support.arrangements import title
from support.health import conditions, expected_health
from tenure.domain.reasons import STATES
from tenure_dev.paths import CHECKOUT
from tenure_dev.tools import Tools

Body = dict[str, Any]

MANIFESTS = CHECKOUT / "manifests"
TITLES = [*map(title, STATES), "new"]


def argocd_health(body: Body) -> tuple[str, str]:
    """Run the script for the object's kind as Argo CD does: the object is `obj`, the answer a table."""
    config = yaml.safe_load((MANIFESTS / "argocd" / "argocd-cm.yaml").read_text())
    script = config["data"][f"resource.customizations.health.tenure.dev_{body['kind']}"]
    lua = lupa.LuaRuntime(unpack_returned_tuples=True)
    lua.globals()["obj"] = lua.table_from(body, recursive=True)
    health: Any = lua.execute(script)
    return str(health["status"]), str(health["message"])


def flux_health(body: Body) -> str:
    """Evaluate the expressions for the object's kind in Flux's order."""
    config = yaml.safe_load((MANIFESTS / "flux" / "organization-acme.yaml").read_text())
    (expressions,) = [each for each in config["spec"]["healthCheckExprs"] if each["kind"] == body["kind"]]
    environment = celpy.Environment()
    activation = {name: celpy.adapter.json_to_cel(body[name]) for name in ("metadata", "spec", "status")}
    for name, health in (("inProgress", "Progressing"), ("failed", "Degraded"), ("current", "Healthy")):
        program = environment.program(environment.compile(expressions[name]))
        if program.evaluate(activation):
            return health
    return "none"


def kstatus(body: Body) -> str:
    program = str(Tools.find_or_build().kstatus)
    result = subprocess.run([program], input=json.dumps(body), capture_output=True, text=True, check=True)
    return result.stdout.partition("\t")[0]


@pytest.mark.parametrize("name", TITLES)
def test_argocd_sees_the_health_of_each_state(states: Mapping[str, Body], name: str) -> None:
    status, message = argocd_health(states[name])
    assert status == expected_health(states[name])
    ready = conditions(states[name]).get("Ready")
    assert message == (ready["message"] if ready else "waits for Tenure")


@pytest.mark.parametrize("name", TITLES)
def test_flux_sees_the_health_of_each_state(states: Mapping[str, Body], name: str) -> None:
    assert flux_health(states[name]) == expected_health(states[name])


@pytest.mark.parametrize("name", TITLES)
def test_kstatus_computes_each_state(states: Mapping[str, Body], name: str) -> None:
    body = states[name]
    found = conditions(body)
    if body["metadata"].get("deletionTimestamp"):
        expected = "Terminating"
    elif "Stalled" in found:
        expected = "Failed"
    elif found.get("Ready", {}).get("status") == "True":
        expected = "Current"
    else:
        # A suspended object too: without our health checks, Flux waits for it until its timeout.
        expected = "InProgress"
    assert kstatus(body) == expected


def test_nothing_is_ever_called_suspended(states: Mapping[str, Body]) -> None:
    """A sync engine would wait for it for ever."""
    assert {argocd_health(body)[0] for body in states.values()} == {"Healthy", "Progressing", "Degraded"}
