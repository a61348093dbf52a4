"""What the pages for the people on call tell them to run is run, on a control plane with Tenure."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import jq
import pytest

from support.api.api import Api
from support.cluster.authority import bundle, secret, wait_judged
from support.cluster.world import World
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from support.programs.webhook_process import WebhookProcess
from support.run.eventually import eventually
from tenure_dev import webhooks
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT, CRDS

DOCS = CHECKOUT / "docs"
PATIENCE = 30.0


@dataclass(frozen=True)
class Site:
    """A control plane with an audit log, and Tenure's processes."""

    plane: ControlPlane
    webhook: WebhookProcess
    operator: OperatorProcess


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("operating")
    with ControlPlane.start(find_or_build(), folder, audit=True, crds=CRDS) as plane:
        options = ("--log-format=json", "--certificate-life=3m")  # So it looks at its authority every 15 seconds.
        webhook = WebhookProcess(plane.kubeconfig, folder / "webhook.log", webhooks.install(plane), *options)
        operator = OperatorProcess(plane.kubeconfig, folder / "operator.log", "--no-webhooks")
        with webhook, operator:
            yield Site(plane, webhook, operator)


@pytest.fixture
def world(site: Site) -> Iterator[World]:
    """Give acme, with alice's key."""
    site.plane.kubectl("create", "namespace", "acme")
    api = Api(site.plane, "acme")
    world = World(api)
    world.create(organization(deletionProtection=True), member("olga", "Owner"), member("alice"))
    world.create(api_key("laptop", "alice"))
    world.issue("laptop", within=PATIENCE)
    yield world
    site.plane.kubectl("delete", "namespace", "acme", "--ignore-not-found")
    api.close()


def lines(page: str) -> list[str]:
    """The lines of a page that are to be run."""
    blocks = re.findall(r"^```console\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def line(page: str, beginning: str) -> str:
    (found,) = [one for one in lines(page) if one.startswith(beginning)]
    return found


def run(site: Site, text: str, given: str = "") -> str:
    """Run a line as a shell does, pipes included; jq by its library, since not every machine has the program."""
    words = shlex.split(text)
    for is_pipe, stage in groupby(words, key=lambda word: word == "|"):
        if not is_pipe:
            given = _run(site, list(stage), given)
    return given


def _run(site: Site, words: Sequence[str], given: str) -> str:
    match words:
        case ["kubectl", *rest]:
            return site.plane.kubectl(*rest, input=given or None).stdout
        case ["jq", "-r", program]:
            return "".join(f"{value}\n" for value in jq.compile(program).input_text(given))
        case ["jq", program]:
            return "".join(f"{json.dumps(value)}\n" for value in jq.compile(program).input_text(given))
        case _:
            return subprocess.run(words, input=given, capture_output=True, text=True, check=True).stdout


def test_an_organization_is_deleted_with_everything_in_it(site: Site, world: World) -> None:
    token = world.token("laptop")
    assert token is not None
    assert "is the only Owner" in site.plane.kubectl("delete", "membership", "olga", "-n=acme", check=False).stderr
    refused = site.plane.kubectl("delete", "organization", "acme", "-n=acme", check=False).stderr
    assert "deletionProtection" in refused
    look, unprotect, delete, rest, namespace = lines("howto/delete-an-organization.md")
    assert "laptop" in run(site, look)
    run(site, unprotect)
    run(site, delete)
    assert world.verdict(token) == "OrganizationGone"
    world.wait_gone("secrets", "laptop", within=PATIENCE)
    eventually(lambda: world.reason("apikeys", "laptop") in {None, "OrganizationGone"}, describe="its status says so")
    run(site, rest)
    assert world.api.list("memberships") == world.api.list("apikeys") == []
    run(site, namespace)


def test_a_namespace_goes_whatever_is_protected_in_it(site: Site, world: World) -> None:
    site.plane.kubectl("delete", "namespace", "acme", "--timeout=300s")
    assert world.api.list("organizations") == []
    assert "wasn't recorded" not in site.operator.log, "nobody wants to know what is lost with a namespace"


def test_who_changed_a_role_is_found(site: Site, world: World) -> None:
    world.wait_counted(within=PATIENCE)
    world.change_role("alice", "Viewer")
    world.wait_role_change("alice", 2, within=PATIENCE)
    status, audit, logs = lines("howto/who-changed-a-role.md")
    assert json.loads(run(site, status))["to"] == "Viewer"

    *words, file = shlex.split(audit)
    assert file == "audit.log"
    assert site.plane.audit_log is not None
    last = _run(site, words, site.plane.audit_log.read_text()).splitlines()[-1].split("\t")
    assert last[1:] == ["tenure-admin", "200", "Member", "Viewer", "laptop"], last

    said = eventually(
        lambda: run(site, logs.partition(" | ")[2], site.webhook.log).splitlines(),
        within=PATIENCE,
        describe="the webhook's lines",
    )
    assert said[-1].split("\t")[1:] == [last[1], "UPDATE", "allowed", "false"]


def test_a_compromised_authority_is_trusted_no_more(site: Site) -> None:
    wait_judged(site.plane)
    compromised = bundle(site.plane)
    page = "howto/replace-the-webhook-authority.md"
    down, _, delete, up, check = lines(page)
    assert "--replicas=0" in down
    site.webhook.stop()  # What the kubelet does when the Deployment is scaled.
    run(site, delete)
    assert secret(site.plane) is None
    assert "--replicas=2" in up
    site.webhook.start()
    wait_judged(site.plane)
    assert run(site, check).strip() == "1"
    assert bundle(site.plane) != compromised


def test_deleting_the_secret_under_running_webhooks_is_not_enough(site: Site) -> None:
    """As the page warns."""
    wait_judged(site.plane)
    compromised = bundle(site.plane)
    run(site, line("howto/replace-the-webhook-authority.md", "kubectl delete secret"))
    eventually(lambda: bundle(site.plane) != compromised, within=60, describe="there is another authority")
    assert compromised in bundle(site.plane)


def test_the_version_before_is_applied_without_its_definitions(site: Site) -> None:
    def definitions() -> str:
        return site.plane.kubectl("get", "crds", "-o=jsonpath={.items[*].metadata.resourceVersion}").stdout

    # Here it has an address in place of the Service, which no manifest takes away.
    site.plane.kubectl("delete", "validatingwebhookconfiguration", "tenure")
    before = definitions()
    command = line("operations/upgrade.md", "kubectl create --dry-run=client").replace(
        "manifests/install.yaml", str(CHECKOUT / "manifests" / "install.yaml")
    )
    applied = run(site, command)
    assert "deployment.apps/tenure-controller serverside-applied" in applied
    assert "customresourcedefinition" not in applied
    assert definitions() == before
