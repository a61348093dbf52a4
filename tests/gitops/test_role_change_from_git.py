"""The whole life of a role change from Git: change, refusal, acknowledgement, removal, suspension, and back again."""

from collections.abc import Callable

import pytest

from support.cluster.world import World
from support.objects.repository import KEYS, Repository
from support.programs.judged import Judged
from support.programs.sync import INCIDENT, TOOLS, Kubectl, Tool
from tenure.domain.tokens import Token

ACKNOWLEDGE = "tenure.dev/acknowledge-key-deletion"
PRICE = "Viewer: ci-deploy, laptop"
SELF_HEALING = [name for name in TOOLS if not name.startswith("kubectl")]

Make = Callable[[Repository], Tool]


def demote_alice(repository: Repository) -> None:
    """Change a role, with a key that is to go on, and without the acknowledgement."""
    repository.member("alice")["spec"]["role"] = "Viewer"
    repository.key("ci-deploy")["spec"]["forRole"] = "Viewer"


def acknowledge(repository: Repository) -> None:
    repository.member("alice")["metadata"]["annotations"] = {ACKNOWLEDGE: PRICE}


def start(make: Make, repository: Repository, world: World) -> tuple[Tool, dict[str, Token]]:
    sync = make(repository)
    sync.settle()
    return sync, world.issue(*KEYS, within=30)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_role_change_is_refused_until_its_price_is_acknowledged(
    repository: Repository, world: World, tool: str
) -> None:
    sync, tokens = start(TOOLS[tool], repository, world)
    repository.member("alice")["spec"]["role"] = "Viewer"
    for _ in range(2):
        (refused,) = sync.sync()
        assert f'{ACKNOWLEDGE}: "{PRICE}"' in refused
    assert world.member("alice")["spec"]["role"] == "Member"
    assert world.verdict(tokens["laptop"]) == "Valid"
    acknowledge(repository)
    assert sync.settle() == 1
    assert world.verdict(tokens["laptop"]) != "Valid"
    world.wait_gone("secrets", "laptop", within=30)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_key_approved_in_the_same_commit_goes_on_and_no_other_member_notices(
    repository: Repository, world: World, tool: str
) -> None:
    sync, tokens = start(TOOLS[tool], repository, world)
    demote_alice(repository)
    acknowledge(repository)
    sync.settle()
    new = world.wait_new_token("ci-deploy", tokens["ci-deploy"], within=30)
    assert world.key("ci-deploy")["status"]["issued"]["role"] == "Viewer"
    assert [world.verdict(token) for token in (new, tokens["ci-deploy"], tokens["pipeline"])] == [
        *("Valid", "NotFound", "Valid")
    ]
    assert world.verdict(tokens["laptop"]) != "Valid"


@pytest.mark.parametrize("tool", SELF_HEALING)
def test_self_heal_does_not_bring_back_a_key_that_ended(repository: Repository, world: World, tool: str) -> None:
    sync, _ = start(TOOLS[tool], repository, world)
    demote_alice(repository)
    acknowledge(repository)
    sync.settle()
    world.wait_reason("laptop", "RoleChanged", within=30)
    world.wait_role_change("alice", 2, within=30)
    for _ in range(2):
        assert sync.settle() == 1
        world.wait_reason("laptop", "RoleChanged")
        assert world.token("laptop") is None
    repository.remove(("ApiKey", "laptop"))
    assert sync.settle() == 1
    world.wait_gone("apikeys", "laptop", within=30)


def test_a_key_that_ended_is_issued_anew_by_whoever_applies_its_file_by_hand(
    repository: Repository, world: World
) -> None:
    sync, tokens = start(Kubectl, repository, world)
    demote_alice(repository)
    acknowledge(repository)
    sync.settle()
    world.wait_gone("apikeys", "laptop", within=30)
    sync.settle()
    world.wait_new_token("laptop", tokens["laptop"], within=30)
    assert world.key("laptop")["status"]["issued"]["role"] == "Viewer"


@pytest.mark.parametrize("tool", TOOLS)
def test_a_role_change_lives_its_whole_life_in_git(
    repository: Repository, world: World, judged: Judged, tool: str
) -> None:
    sync, tokens = start(TOOLS[tool], repository, world)
    demote_alice(repository)
    assert ACKNOWLEDGE in sync.sync()[0]
    acknowledge(repository)
    repository.remove(("ApiKey", "laptop"))
    sync.settle()
    new = world.wait_new_token("ci-deploy", tokens["ci-deploy"], within=30)

    repository.remove(("Membership", "bob"), ("ApiKey", "bob-cli"))
    sync.settle()
    assert world.verdict(tokens["bob-cli"]) != "Valid"

    suspend(judged, repository, '[{"name": "alice", "reason": "INC-4711"}]')
    sync.settle()
    assert world.verdict(new) == "Suspended"
    suspend(judged, repository, "null")
    sync.settle()
    assert world.verdict(new) == "Valid"

    repository.member("alice")["spec"]["role"] = "Member"
    repository.member("alice")["metadata"]["annotations"] = {ACKNOWLEDGE: "Member: ci-deploy"}
    sync.settle()
    world.wait_reason("ci-deploy", "RoleMismatch", within=30)
    repository.key("ci-deploy")["spec"]["forRole"] = "Member"
    sync.settle()
    world.wait_new_token("ci-deploy", new, within=30)
    world.wait_rest(within=30)
    before = repository.versions()
    assert sync.settle() == 1
    assert repository.versions() == before
    assert set(before) == set(repository.files)


def suspend(judged: Judged, repository: Repository, members: str) -> None:
    patch = f'--patch={{"spec": {{"suspendedMembers": {members}}}}}'
    target = ("patch", "organization", "acme", f"--namespace={repository.namespace}", "--type=merge")
    judged.plane.kubectl(*target, f"--field-manager={INCIDENT}", patch)


@pytest.mark.parametrize("tool", TOOLS)
def test_what_else_a_commit_holds_waits_for_a_refused_change_under_flux_alone(
    repository: Repository, world: World, tool: str
) -> None:
    sync, tokens = start(TOOLS[tool], repository, world)
    repository.member("alice")["spec"]["role"] = "Viewer"
    repository.remove(("Membership", "bob"), ("ApiKey", "bob-cli"))
    dora = {**repository.member("anna")["spec"], "subject": {"kind": "User", "name": "dora@acme.io"}}
    metadata = {"name": "dora", "namespace": repository.namespace}
    repository.files["Membership", "dora"] = {**repository.member("anna"), "metadata": metadata, "spec": dora}
    assert len(sync.sync()) == 1
    waits = tool == "Flux"
    assert (("Membership", "dora") not in repository.live()) is waits
    assert (world.verdict(tokens["bob-cli"]) == "Valid") is waits


@pytest.mark.parametrize("tool", TOOLS)
def test_half_of_a_refused_commit_costs_no_key_its_token(repository: Repository, world: World, tool: str) -> None:
    """The role is refused, and the key's `forRole` is stored, except under Flux. The key keeps working."""
    sync, tokens = start(TOOLS[tool], repository, world)
    demote_alice(repository)
    assert len(sync.sync()) == 1
    stored = world.key("ci-deploy")["spec"].get("forRole")
    assert stored == (None if tool == "Flux" else "Viewer")
    assert [world.verdict(tokens[name]) for name in ("ci-deploy", "laptop")] == ["Valid", "Valid"]
    acknowledge(repository)
    sync.settle()
    world.wait_new_token("ci-deploy", tokens["ci-deploy"], within=30)
