"""What the chart tells Prometheus and Grafana fits the table of metrics, and what isn't installed has no alert."""

import json
import re
from pathlib import Path

import pytest
import yaml

from support.cases.rules import (
    DASHBOARD,
    OF_THE_API_SERVER,
    expressions,
    groupings,
    of_kind,
    promtool,
    rules,
    selectors,
    shipped,
    source_rules,
)
from tenure.observability.catalogue import METRICS
from tenure.observability.metrics import MetricType
from tenure_dev.errors import ToolError

OF_TARGETS = frozenset({"namespace", "pod", "instance"})
"""Labels that whoever scrapes gives to every series."""

TABLE = {metric.name: frozenset(metric.label_names) for metric in METRICS}
HISTOGRAMS = [metric.name for metric in METRICS if metric.type is MetricType.HISTOGRAM]
SERIES = (
    {metric.name: TABLE[metric.name] for metric in METRICS if metric.type is not MetricType.HISTOGRAM}
    | {f"{name}_{part}": TABLE[name] for name in HISTOGRAMS for part in ("count", "sum")}
    | {f"{name}_bucket": TABLE[name] | {"le"} for name in HISTOGRAMS}
)
EXPRESSIONS = [pytest.param(expression, id=where) for where, expression in expressions()]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_in_rules_and_dashboard_is_in_the_table_with_these_labels(expression: str) -> None:
    known = SERIES | OF_THE_API_SERVER
    read = selectors(expression)
    assert read
    assert {one.metric for one in read} <= known.keys()
    for one in read:
        assert one.labels <= known[one.metric], one
    assert groupings(expression) <= OF_TARGETS.union(*(known[one.metric] for one in read))


def test_the_chart_renders_every_rule_of_its_file() -> None:
    assert [(rule["alert"], rule["expr"]) for rule in rules()] == [
        (rule["alert"], rule["expr"]) for rule in source_rules()
    ]


def labels_in(legend: str) -> set[str]:
    """The labels whose values a legend shows."""
    return set(re.findall(r"\{\{(\w+)\}\}", legend))


def test_legends_name_labels_that_their_expressions_sum_by() -> None:
    targets = [target for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel.get("targets", ())]
    assert any(labels_in(target["legendFormat"]) for target in targets)
    for target in targets:
        assert labels_in(target["legendFormat"]) <= groupings(target["expr"]), target["expr"]


def test_prometheus_can_read_the_dashboards_expressions(tmp_path: Path) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    found = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    rules = [{"record": f"panel:expression:{number}", "expr": text} for number, text in enumerate(found)]
    path = tmp_path / "expressions.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(found)} rules found" in promtool("check", "rules", path)


def test_the_dashboard_shows_what_the_table_says() -> None:
    shown = {one.metric for _, expression in expressions() for one in selectors(expression)}
    of_series = {name.removesuffix("_count").removesuffix("_bucket") for name in shown}
    assert TABLE.keys() - of_series == {metric.name for metric in METRICS if not metric.dashboard}


def test_the_dashboard_is_shipped_as_it_is_with_the_label_that_sidecars_look_for() -> None:
    found = of_kind("ConfigMap", "tenure-dashboard")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["tenure.json"]) == json.loads(DASHBOARD.read_text())


def test_panels_have_ids_of_their_own_and_lie_beside_each_other() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_prometheus_finds_every_pod_also_an_unready_one() -> None:
    service, monitor = of_kind("Service", "tenure-metrics"), of_kind("ServiceMonitor", "tenure")
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    (port,) = service["spec"]["ports"]
    assert (endpoint["port"], endpoint["path"]) == (port["name"], "/metrics")
    deployments = [body for body in shipped() if body["kind"] == "Deployment"]
    assert len(deployments) == 4
    for deployment in deployments:
        template = deployment["spec"]["template"]
        assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        (container,) = template["spec"]["containers"]
        assert {"name": port["targetPort"], "containerPort": 8081} in container["ports"]
        assert "--health-port=8081" in container["args"]
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            assert container[probe]["httpGet"]["port"] == port["targetPort"]
        policy = of_kind("NetworkPolicy", deployment["metadata"]["name"])
        # Open to everybody, also where `webhook.ingressFrom` restricts the other port.
        open_ports = [port for rule in policy["spec"]["ingress"] if "from" not in rule for port in rule["ports"]]
        assert {"protocol": "TCP", "port": 8081} in open_ports


@pytest.mark.parametrize(
    ("component", "gone"),
    [("webhook", "TenureWebhookDown"), ("verifier", "TenureVerifierStale"), ("mail", "TenureAcceptPageFailing")],
)
def test_what_is_not_installed_has_no_alert(component: str, gone: str) -> None:
    args = (f"--set={component}.enabled=false", "--set=kubernetesAccess=None")  # No access without webhooks.
    left = {rule["alert"] for rule in rules(*args)}
    assert gone not in left
    assert left >= {"TenureNoLeader", "TenureCertificateExpiring"}


def test_the_runbooks_address_can_be_given() -> None:
    found = rules("--set=metrics.rules.runbookUrl=https://example.com/runbooks/%s.html")
    assert {f"https://example.com/runbooks/{rule['alert']}.html" for rule in found} == {
        rule["annotations"]["runbook_url"] for rule in found
    }


def test_without_an_address_alerts_have_no_link() -> None:
    assert not [rule["alert"] for rule in rules() if "runbook_url" in rule["annotations"]]


def test_an_address_that_no_browser_opens_is_refused() -> None:
    with pytest.raises(ToolError, match="runbookUrl"):
        rules("--set=metrics.rules.runbookUrl=docs/runbooks/%s.md")


def test_nothing_of_it_is_there_unless_it_is_wanted() -> None:
    kinds = {(body["kind"], body["metadata"]["name"]) for body in shipped("--set=metrics.serviceMonitor.enabled=false")}
    assert ("ServiceMonitor", "tenure") not in kinds
