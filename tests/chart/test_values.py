"""Every text of the values reaches the manifests as it is, and a release may be called anything that Helm allows."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from tenure.cli import app
from tenure_dev.chart import CHART, NAMESPACE, render
from tenure_dev.controlplane import ControlPlane

Body = dict[str, Any]
Path_ = tuple[str | int, ...]

NOT_RENDERED = {"global"}
"""Helm's own, for charts of charts."""

HOSTILE = {
    "a colon at the end": "oidc:",
    "a mapping": "a: b",
    "a comment": "a #b",
    "a truth": "yes",
    "a number": "0x1F",
    "nothing": "~",
    "quotes": "\"a\" 'b'",
    "a template": "{{ .Values }}",
    "a flow": "[a, {b}]",
    "an anchor": "&a *b",
    "a backslash": "a\\n\\b",
    "spaces": " a ",
    "lines": "a\nb: c",
    "beyond ASCII": "Zoë ✓ 😀",
    "digits": "123",
    "null": "null",
    "a comment alone": " #x",
}
SHOWN = (
    "--set=mail.enabled=true",
    "--set=console.enabled=true",
    "--set=console.mode=Impersonation",
    "--set=certificates.mode=certManager",
    "--set=metrics.serviceMonitor.enabled=true",
    "--set=metrics.rules.enabled=true",
    "--set=metrics.dashboard.enabled=true",
)
REQUIRED: Mapping[Path_, str] = {
    ("console", "url"): "https://console.acme.io",
    ("console", "oidc", "issuerUrl"): "https://login.acme.io",
    ("console", "oidc", "clientId"): "tenure",
}
"""Texts that the console needs."""
NEEDED = tuple(f"--set={'.'.join(map(str, path))}={text}" for path, text in REQUIRED.items())
NOT_SEARCHED = {"CustomResourceDefinition", "PrometheusRule"}
"""Kinds whose specs have other things that are called labels."""

LABEL_VALUE = re.compile(r"(?=.{0,63}$)([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?")
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def text_values(node: Mapping[str, Any] = SCHEMA, path: Path_ = ()) -> Iterator[Path_]:
    """The path of every value that may be any text. `text` is a key of your choice, and 0 the first item of a list."""
    if reference := node.get("$ref"):
        node = SCHEMA["definitions"][reference.rpartition("/")[2]]
    if node.get("type") == "string" and not {"pattern", "enum"} & node.keys():
        yield path
    if isinstance(chosen := node.get("additionalProperties"), Mapping):
        yield from text_values(chosen, (*path, "text"))
    if isinstance(items := node.get("items"), Mapping):
        yield from text_values(items, (*path, 0))
    if node.get("type") == "object" and not {"properties", "additionalProperties"} & node.keys():
        yield (*path, "text")
    for name in node.get("properties", {}).keys() - NOT_RENDERED:
        yield from text_values(node["properties"][name], (*path, name))


def put(place: Any, path: Path_, text: str) -> None:
    """Set a text of the values."""
    head, *rest = path
    if not rest:
        place[head] = text
        return
    if isinstance(place, dict):
        place.setdefault(head, [{}] if rest[0] == 0 else {})
    put(place[head], tuple(rest), text)


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a document, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for one in value.values() for text in texts_in(one))
    elif isinstance(value, list):
        yield from (text for one in value for text in texts_in(one))


def load(text: str) -> list[Body]:
    return [body for body in yaml.load_all(text, Loader=yaml.CSafeLoader) if body]


def rendered(folder: Path, texts: Mapping[Path_, str]) -> list[str]:
    """Every text in the manifests, with values of these texts."""
    values: Body = {}
    for path, text in {**REQUIRED, **texts}.items():
        put(values, path, text)
    file = folder / "values.json"
    file.write_text(json.dumps(values, ensure_ascii=False))
    return list(texts_in(load(render(f"--values={file}", *SHOWN))))


@pytest.fixture(scope="module")
def occurrences(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Give how often the manifests have a harmless text that all values are."""
    found = rendered(tmp_path_factory.mktemp("values"), dict.fromkeys(text_values(), "harmless"))
    return sum("harmless" in one for one in found)


def test_every_text_is_in_the_manifests(tmp_path: Path) -> None:
    texts = {path: f"text-{number:03}" for number, path in enumerate(text_values())}
    assert ("identity", "usernamePrefix") in texts
    found = rendered(tmp_path, texts)
    assert [path for path, text in texts.items() if not any(text in one for one in found)] == []


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_every_text_reaches_the_manifests_as_it_is(tmp_path: Path, occurrences: int, text: str) -> None:
    found = rendered(tmp_path, dict.fromkeys(text_values(), text))
    others = rendered(tmp_path, {})
    assert sum(text in one for one in found) - sum(text in one for one in others) == occurrences


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    ("path", "option"),
    [("identity.usernamePrefix", "username_prefix"), ("verifier.callerAudience", "caller_audience")],
)
def test_every_text_reaches_the_process_as_it_is(tmp_path: Path, path: str, option: str, text: str) -> None:
    values: Body = {}
    put(values, tuple(path.split(".")), text)
    file = tmp_path / "values.json"
    file.write_text(json.dumps(values, ensure_ascii=False))
    deployments = [body for body in load(render(f"--values={file}")) if body["kind"] == "Deployment"]
    found = [body["spec"]["template"]["spec"]["containers"][0]["args"] for body in deployments]
    parsed = [parse(args)[option] for args in found if any(one.startswith(f"--{path_of(option)}=") for one in args)]
    assert parsed
    assert set(parsed) == {text}


def path_of(option: str) -> str:
    return option.replace("_", "-")


def parse(args: list[str]) -> Mapping[str, Any]:
    """The options as the process takes them."""
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return group.commands[args[0]].make_context(args[0], args[1:]).params


@pytest.mark.parametrize("name", ["123", "true", "null", "1e3"])
def test_a_namespace_may_look_like_another_type(name: str) -> None:
    bodies = load(render(*SHOWN, *NEEDED, namespace=name))
    places = [body["metadata"]["namespace"] for body in bodies if "namespace" in body["metadata"]]
    assert set(places) == {name}
    subjects = [one for body in bodies if body["kind"].endswith("Binding") for one in body.get("subjects", ())]
    assert {subject["namespace"] for subject in subjects} == {name}


@pytest.mark.parametrize("name", ["123", "true", "null", "1e3"])
def test_a_namespace_that_is_served_may_look_like_another_type(name: str) -> None:
    bodies = load(render(f"--set-json=namespaces={json.dumps([name])}", "--show-only=templates/rbac.yaml"))
    assert {body["metadata"].get("namespace") for body in bodies} == {None, NAMESPACE, name}


def test_no_pod_is_told_of_services_by_variables() -> None:
    bodies = load(render())
    specs = [body["spec"]["template"]["spec"] for body in bodies if body["kind"] == "Deployment"]
    specs += [body["spec"] for body in bodies if body["kind"] == "Pod"]
    assert len(specs) == 4
    assert all(spec["enableServiceLinks"] is False for spec in specs)


@pytest.mark.parametrize(
    "version", ["0.1.0+7d1a5e0c0ffee", "0.1.0-rc.1+" + "f" * 40, "0.1.0+build.1-", f"0.1.0-{'a' * 60}"]
)
def test_a_version_with_build_metadata_is_taken(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, version: str
) -> None:
    """Flux makes such a version of a chart from Git with `reconcileStrategy: Revision`."""
    chart = tmp_path / "tenure"
    shutil.copytree(CHART, chart)
    description = yaml.safe_load((chart / "Chart.yaml").read_text())
    (chart / "Chart.yaml").write_text(json.dumps({**description, "version": version, "appVersion": version}))

    manifests = render("--skip-tests", "--set=metrics.dashboard.enabled=true", chart=chart, namespace=namespace)

    applied = control_plane.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--filename=-", input=manifests
    )
    assert applied.stdout.count("serverside-applied") == len(load(manifests))
    # No API server here knows these kinds, and the test's pod needs a ServiceAccount that is there.
    for body in load(render(*SHOWN, *NEEDED, chart=chart)):
        searched = body["metadata"] if body["kind"] in NOT_SEARCHED else body
        bad = [value for value in label_values(searched) if not LABEL_VALUE.fullmatch(value)]
        assert bad == [], (body["kind"], body["metadata"]["name"])


def label_values(body: Any) -> Iterator[str]:
    """Every value of a label in a document, of selectors and of templates too."""
    if isinstance(body, dict):
        for key, value in body.items():
            if key in {"labels", "matchLabels"}:
                yield from value.values()
            else:
                yield from label_values(value)
    elif isinstance(body, list):
        yield from (value for one in body for value in label_values(one))
