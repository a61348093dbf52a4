"""The console of the chart on a real node, with a real token through its Service, in both modes."""

from collections.abc import Mapping

import requests

from support.cluster.node import NodeCluster
from support.cluster.samples import Acme
from tenure_dev.chart import NAMESPACE

HOST = "console.acme.io"


def test_the_console_serves_each_person_with_their_own_rights(acme: Acme) -> None:
    node = acme.node
    upgrade(node, "--set=console.enabled=true", f"--set=console.url=https://{HOST}")
    node.wait_ready("console")
    token = node.kubectl("create", "token", "default", "--namespace=default").stdout.strip()

    assert ask(node, {"Host": HOST}).status_code == requests.codes.unauthorized
    assert ask(node, {}).status_code == requests.codes.misdirected_request
    answer = ask(node, {"Host": HOST, "Authorization": f"Bearer {token}"})

    assert "system:serviceaccount:default:default" in answer.text
    assert "you may not list organizations.tenure.dev" in answer.text


def test_with_impersonation_it_starts_with_the_rights_of_the_chart(acme: Acme) -> None:
    node = acme.node
    upgrade(
        node,
        *("--set=console.enabled=true", f"--set=console.url=https://{HOST}", "--set=console.mode=Impersonation"),
        *("--set=console.oidc.issuerUrl=https://login.acme.io", "--set=console.oidc.clientId=tenure-console"),
    )
    node.wait_ready("console")
    assert ask(node, {"Host": HOST}).status_code == requests.codes.unauthorized


def upgrade(node: NodeCluster, *values: str) -> None:
    """Set values of the chart as the how-to does, and let the console reach the port of this API server."""
    slices = node.json("endpointslices", "--selector=kubernetes.io/service-name=kubernetes", "--namespace=default")[
        "items"
    ]
    port = f"--set=console.egressPorts={{443,{slices[0]['ports'][0]['port']}}}"
    node.helm(
        "upgrade", "tenure", str(node.chart), "--reset-then-reuse-values", "--wait", "--timeout=3m", port, *values
    )


def ask(node: NodeCluster, headers: Mapping[str, str]) -> requests.Response:
    """Ask for the first page through the Service."""
    service = node.json("service", "tenure-console", f"--namespace={NAMESPACE}")
    return requests.get(f"http://{service['spec']['clusterIP']}/", headers=dict(headers), timeout=60)
