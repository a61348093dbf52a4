"""Which tool takes back what was set in a hurry: only Flux, and only what was set in kubectl's own name."""

import shlex
from collections.abc import Sequence

import pytest

from support.judged import Judged
from support.repository import KEYS, Repository
from support.sync import INCIDENT, TOOLS
from support.world import World
from tenure_dev.paths import CHECKOUT

PAGE = CHECKOUT / "docs" / "gitops.md"
SUSPENSION = '{"spec": {"suspendedMembers": [{"name": "alice", "reason": "INC-4711"}]}}'
APPLIED = '{{"apiVersion": "tenure.dev/v1alpha1", "kind": "{kind}", "metadata": {{"name": "{name}"}}, "spec": {spec}}}'
MANAGERS = {
    "kubectl patch": ("patch", "--type=merge"),
    "kubectl patch --field-manager=incident": ("patch", "--type=merge", f"--field-manager={INCIDENT}"),
}
TAKEN_BACK = {("Flux", "kubectl patch")}


def patch(judged: Judged, repository: Repository, manager: str, target: Sequence[str], document: str) -> None:
    verb, *options = MANAGERS[manager]
    scope = f"--namespace={repository.namespace}"
    judged.plane.kubectl(verb, *target, scope, *options, f"--patch={document}")


@pytest.mark.parametrize("manager", MANAGERS)
@pytest.mark.parametrize("tool", TOOLS)
def test_a_suspended_member_stays_suspended_or_not(
    repository: Repository, world: World, judged: Judged, tool: str, manager: str
) -> None:
    sync = TOOLS[tool](repository)
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
    spec = '{"suspendedMembers": [{"name": "alice", "reason": "INC-4711"}]}'
    document = APPLIED.format(kind="Organization", name="acme", spec=spec)
    options = ("--server-side", f"--field-manager={INCIDENT}", f"--namespace={repository.namespace}", "--filename=-")
    judged.plane.kubectl("apply", *options, input=document)
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
    assert ["revision: may only grow" in words for words in sync.sync()] == [True] * blocked
    repository.key("laptop")["spec"]["revision"] = 2
    assert sync.settle() == 1
    assert [world.verdict(each) for each in (token, new)] == ["NotFound", "Valid"]


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
