"""Which tool takes back what was set in a hurry: only Flux, and only what was set in kubectl's own name."""

import json
import shlex
from collections.abc import Sequence

import pytest

from support.cluster.world import World
from support.objects.repository import KEYS, Repository
from support.programs.judged import Judged
from support.programs.sync import EVERY_TOOL, INCIDENT, TOOLS
from tenure_dev.paths import CHECKOUT

PAGE = CHECKOUT / "docs" / "gitops.md"
SUSPENSION = '{"spec": {"suspendedMembers": [{"name": "alice", "reason": "INC-4711"}]}}'
MANAGERS = {
    "kubectl patch": ("patch", "--type=merge"),
    "kubectl patch --field-manager=incident": ("patch", "--type=merge", f"--field-manager={INCIDENT}"),
}
TAKEN_BACK = {("Flux", "kubectl patch")}


def patch(judged: Judged, repository: Repository, manager: str, target: Sequence[str], document: str) -> None:
    verb, *options = MANAGERS[manager]
    scope = f"--namespace={repository.namespace}"
    judged.plane.kubectl(verb, *target, scope, *options, f"--patch={document}")


def apply_as_incident(judged: Judged, repository: Repository) -> str:
    """Apply a suspension, and nothing else, in a name of its own; return what kubectl says to that."""
    body = {"apiVersion": "tenure.dev/v1alpha1", "kind": "Organization", "metadata": {"name": "acme"}}
    document = json.dumps(body | json.loads(SUSPENSION))
    options = ("--server-side", f"--field-manager={INCIDENT}", f"--namespace={repository.namespace}", "--filename=-")
    return judged.plane.kubectl("apply", *options, input=document).stderr


@pytest.mark.parametrize("manager", MANAGERS)
@pytest.mark.parametrize("tool", EVERY_TOOL)
def test_a_suspended_member_stays_suspended_or_not(
    repository: Repository, world: World, judged: Judged, tool: str, manager: str
) -> None:
    sync = EVERY_TOOL[tool](repository)
    sync.settle()
    token = world.issue(*KEYS, within=30)["laptop"]
    patch(judged, repository, manager, ("organization", "acme"), SUSPENSION)
    assert world.verdict(token) == "Suspended"
    for _ in range(2):
        assert sync.settle() == 1
        assert world.verdict(token) == ("Valid" if (tool, manager) in TAKEN_BACK else "Suspended")


@pytest.mark.parametrize("manager", MANAGERS)
@pytest.mark.parametrize("tool", TOOLS)
def test_a_suspended_key_stays_suspended_or_not(
    repository: Repository, world: World, judged: Judged, tool: str, manager: str
) -> None:
    sync = TOOLS[tool](repository)
    sync.settle()
    token = world.issue(*KEYS, within=30)["laptop"]
    patch(judged, repository, manager, ("apikey", "laptop"), '{"spec": {"suspended": true}}')
    assert sync.settle() == 1
    assert world.verdict(token) == ("Valid" if (tool, manager) in TAKEN_BACK else "Suspended")


@pytest.mark.parametrize("tool", TOOLS)
def test_an_entry_applied_by_itself_stays(repository: Repository, world: World, judged: Judged, tool: str) -> None:
    sync = TOOLS[tool](repository)
    sync.settle()
    token = world.issue(*KEYS, within=30)["laptop"]
    apply_as_incident(judged, repository)
    assert sync.settle() == 1
    assert world.verdict(token) == "Suspended"


@pytest.mark.parametrize("manager", MANAGERS)
@pytest.mark.parametrize("tool", TOOLS)
def test_a_leaked_token_that_is_replaced_by_hand_stays_dead(
    repository: Repository, world: World, judged: Judged, tool: str, manager: str
) -> None:
    """Flux would take the revision back, which is refused, so it applies nothing until Git names a revision."""
    sync = TOOLS[tool](repository)
    sync.settle()
    token = world.issue(*KEYS, within=30)["laptop"]
    patch(judged, repository, manager, ("apikey", "laptop"), '{"spec": {"revision": 2}}')
    new = world.wait_new_token("laptop", token, within=30)
    blocked = (tool, manager) in TAKEN_BACK
    assert ["revision: can only be raised" in words for words in sync.sync()] == [True] * blocked
    repository.key("laptop")["spec"]["revision"] = 2
    assert sync.settle() == 1
    assert [world.verdict(each) for each in (token, new)] == ["NotFound", "Valid"]


def test_a_leaked_key_is_replaced_by_hand_as_the_page_says_and_flux_goes_on(
    repository: Repository, world: World, judged: Judged
) -> None:
    sync = TOOLS["Flux"](repository)
    sync.settle()
    token = world.issue(*KEYS, within=30)["ci-deploy"]
    beginning = "kubectl apply --server-side --field-manager=incident -f - <<'EOF'\n"
    body = PAGE.read_text().partition(beginning)[2].partition("EOF\n")[0]
    command = [word for word in shlex.split(beginning.partition("<<")[0])[1:] if word != "-f"]
    document = body.replace("namespace: acme", f"namespace: {repository.namespace}")
    done = judged.plane.kubectl(*(f"--filename={word}" if word == "-" else word for word in command), input=document)
    assert "Flux" not in done.stderr
    new = world.wait_new_token("ci-deploy", token, within=30)
    for _ in range(2):
        assert sync.settle() == 1
    assert [world.verdict(each) for each in (token, new)] == ["NotFound", "Valid"]


def test_whoever_suspends_in_kubectls_name_is_told_that_flux_undoes_it_and_how_to_keep_it(
    repository: Repository, world: World, judged: Judged
) -> None:
    sync = TOOLS["Flux"](repository)
    sync.settle()
    token = world.issue(*KEYS, within=30)["laptop"]
    scope = f"--namespace={repository.namespace}"
    patched = judged.plane.kubectl("patch", "organization", "acme", scope, "--type=merge", f"--patch={SUSPENSION}")
    assert "Warning: spec.suspendedMembers: Flux reverts this within minutes" in patched.stderr
    assert "To keep it, set it with kubectl apply --server-side --field-manager=incident" in patched.stderr
    assert "Flux" not in apply_as_incident(judged, repository)
    for _ in range(2):
        assert sync.settle() == 1
        assert world.verdict(token) == "Suspended"


@pytest.mark.parametrize("tool", TOOLS)
def test_no_tool_takes_back_what_the_page_has_people_type(
    repository: Repository, world: World, judged: Judged, tool: str
) -> None:
    sync = TOOLS[tool](repository)
    sync.settle()
    token = world.issue(*KEYS, within=30)["laptop"]
    blocks = [part.split("```")[0] for part in PAGE.read_text().split("```console\n")[1:]]
    (command,) = [block for block in blocks if "suspendedMembers" in block]
    words = shlex.split(command.replace("\\\n", "").replace("-n acme", f"-n {repository.namespace}"))
    judged.plane.kubectl(*words[1:])
    assert sync.settle() == 1
    assert world.verdict(token) == "Suspended"
