"""A tool with few rights gives no role that it may not give, and runs the rest of the organization from Git."""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest
import yaml

from support.cluster.world import World
from support.objects.repository import KEYS, Address, Repository, samples
from support.programs.judged import Judged
from support.programs.sync import SERVER_SIDE, TOOLS, Kubectl
from support.run.eventually import eventually
from tenure_dev.paths import CHECKOUT

ACCOUNT = "system:serviceaccount:gitops:organizations"
OWNERS = (("Membership", "olga"), ("ApiKey", "olga-admin"))
PAGE = CHECKOUT / "docs" / "gitops.md"


def bind(repository: Repository, role: str) -> None:
    scope = f"--namespace={repository.namespace}"
    subject = "--serviceaccount=gitops:organizations"
    repository.plane.kubectl("create", "rolebinding", "gitops", f"--clusterrole={role}", subject, scope)


@pytest.fixture(scope="module")
def without_owners(judged: Judged) -> Iterator[str]:
    """Give the ClusterRole of the page: all but Owners."""
    (text,) = [block.split("```")[0] for block in PAGE.read_text().split("```yaml\n") if "kind: ClusterRole" in block]
    body = yaml.safe_load(text)
    body["metadata"]["name"] = f"test-{uuid4().hex[:10]}"
    judged.plane.kubectl("apply", "--filename=-", input=json.dumps(body))
    yield body["metadata"]["name"]
    judged.plane.kubectl("delete", "clusterrole", body["metadata"]["name"])


@pytest.fixture
def founded(repository: Repository, without_owners: str) -> Repository:
    """Give a repository of an organization whose Owner somebody else has made, for a tool that can't."""
    bind(repository, without_owners)
    files = dict(repository.files)
    repository.files = {
        address: body for address, body in files.items() if address in {("Organization", "acme"), *OWNERS}
    }
    Kubectl(repository).settle()
    repository.files = {address: body for address, body in files.items() if address not in OWNERS}
    return repository


@pytest.mark.parametrize("tool", TOOLS)
def test_with_the_rights_of_an_owner_a_tool_does_everything(repository: Repository, world: World, tool: str) -> None:
    bind(repository, "tenure-owner")
    sync = TOOLS[tool](repository).as_user(ACCOUNT)
    assert sync.settle() == 1
    world.issue(*KEYS, within=30)
    repository.files["Organization", "acme"]["spec"]["deletionProtection"] = False
    assert sync.settle() == 1
    repository.remove(*list(repository.files))
    assert sync.settle() <= 2


@pytest.mark.parametrize("tool", TOOLS)
def test_without_owners_a_tool_applies_members_first_and_then_their_keys(
    founded: Repository, world: World, tool: str
) -> None:
    sync = TOOLS[tool](founded).as_user(ACCOUNT)
    keys = {address: body for address, body in founded.files.items() if address[0] == "ApiKey"}
    founded.remove(*keys)
    assert sync.settle() == 1
    founded.files.update(keys)
    assert sync.settle() == 1
    assert world.issue(*KEYS, within=30)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_key_of_a_member_who_is_not_there_yet_needs_every_grant(founded: Repository, tool: str) -> None:
    """Keys before members in one commit: tools that apply what passes get there at the next try, and Flux never."""
    founded.files = dict(sorted(founded.files.items(), key=lambda file: file[0][0] != "ApiKey"))
    sync = TOOLS[tool](founded).as_user(ACCOUNT)
    refused = sync.sync()
    assert refused
    assert all("lacks grant-owner" in words for words in refused)
    if tool == "Flux":
        assert sync.sync() == refused
    else:
        assert sync.settle() == 1


@pytest.mark.parametrize("tool", TOOLS)
def test_without_owners_a_tool_changes_roles_and_makes_nobody_an_owner(
    founded: Repository, world: World, tool: str
) -> None:
    sync = TOOLS[tool](founded).as_user(ACCOUNT)
    founded.files = {address: body for address, body in founded.files.items() if address[0] != "ApiKey"}
    sync.settle()
    anna = founded.member("anna")
    for role, refused in (("Owner", True), ("Member", False)):
        anna["spec"]["role"] = role
        words = sync.sync()
        assert ["lacks grant-owner" in each for each in words] == [True] * refused
        assert (world.member("anna")["spec"]["role"] == role) is not refused


@pytest.mark.parametrize("tool", ["Argo CD server side", "Flux"])
def test_a_tool_without_the_grant_leaves_no_mark_on_an_owner(founded: Repository, tool: str) -> None:
    owner: Address = ("Membership", "olga")
    founded.files = {owner: samples(founded.namespace)[owner]}
    (refused,) = TOOLS[tool](founded).as_user(ACCOUNT).sync()
    assert "metadata." in refused
    assert "lacks grant-owner" in refused


@pytest.mark.parametrize("mode", [(), SERVER_SIDE], ids=["client side", "server side"])
def test_a_tool_applies_the_namespace_of_its_organization_and_no_other(
    repository: Repository, without_owners: str, mode: tuple[str, ...]
) -> None:
    bind(repository, without_owners)

    def refusal(name: str) -> str:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": "acme"}}}
        kubectl = repository.plane.kubectl
        result = kubectl("apply", *mode, "--filename=-", input=json.dumps(body), check=False, as_user=ACCOUNT)
        return result.stderr if result.returncode else ""

    eventually(lambda: refusal(repository.namespace) == "", within=30, describe="the namespace is applied")
    assert "(Forbidden)" in refusal("default")
