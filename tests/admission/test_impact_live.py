"""`tenure impact --live`: the same with what exists only in the cluster, for somebody who may get and list."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from support.api.audit import Audit
from support.api.client import Client
from support.cluster import people
from support.cluster.team import Team, bare_team
from support.objects import manifests
from support.objects.pull_requests import ALICE, BASE, BOTH, OLGA, OTTO, VIEWER, Body, with_role, write
from support.programs.forks import run
from tenure.domain.admission.acknowledgement import ANNOTATION
from tenure_dev import kubeconfig

if TYPE_CHECKING:
    from admission.conftest import Judged

BY_HAND = manifests.api_key("by-hand", "alice")
READER = "reader"
ALL_THREE = "Viewer: by-hand, ci-deploy, laptop"


@dataclass(frozen=True)
class Repository:
    """A repository's two trees, a cluster that differs from them, and a reader's kubeconfig."""

    team: Team
    folder: Path
    reader: Path

    def change(self, **files: Body | None) -> None:
        """Have a pull request change the files of members; None: one is removed."""
        tree = {**BASE, **{f"members/{name}.yaml": body for name, body in files.items()}}
        write(self.folder / "head", {name: body for name, body in tree.items() if body is not None})

    def impact(self, *options: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run the command as a CI job does."""
        trees = ["--base", str(self.folder / "base"), "--head", str(self.folder / "head")]
        environment = {"PATH": os.environ["PATH"], "KUBECONFIG": str(kubeconfig or self.reader)}
        command = [sys.executable, "-m", "tenure", "impact", f"--namespace={self.team.namespace}", *trees, *options]
        return run(command, environment)

    def changes(self, *options: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """The exit code, and what is said of each member."""
        result = self.impact("--output=json", *options)
        assert result.returncode in (0, 2), result.stderr
        return result.returncode, {change["membership"]: change for change in json.loads(result.stdout)["changes"]}


def reader_of(judged: "Judged", team: Team, path: Path, verbs: Sequence[str]) -> Path:
    """The kubeconfig of a ServiceAccount that may do no more than this to the three kinds."""
    team.kubectl("create", "serviceaccount", READER)
    account = {"kind": "ServiceAccount", "name": READER, "namespace": team.namespace}
    people.bind(judged.plane, team.namespace, READER, [account], people.rule(people.KINDS, verbs))
    token = team.kubectl("create", "token", READER).stdout.strip()
    plane = judged.plane
    document = yaml.safe_load(kubeconfig.write(path, plane.server, authority=plane.certificate_authority).read_text())
    document["users"][0]["user"] = {"token": token}
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
def repository(judged: "Judged", tmp_path: Path) -> Iterator[Repository]:
    """Give a cluster to which the repository was applied, and in which somebody made a key by hand."""
    write(tmp_path / "base", BASE)
    with bare_team(judged.plane) as team:
        reader = reader_of(judged, team, tmp_path / "reader.kubeconfig", ["get", "list"])
        team.world.create(*BASE.values(), BY_HAND)
        team.wait_settled("ci-deploy", "laptop", "pipeline", "by-hand")
        client = Client(judged.plane, team.namespace)
        for kind in people.KINDS:
            people.wait_permitted(client, f"system:serviceaccount:{team.namespace}:{READER}", "list", kind, name="")
        client.close()
        yield Repository(team, tmp_path, reader)


def test_a_key_that_is_only_in_the_cluster_is_named_by_its_public_id(repository: Repository) -> None:
    repository.change(alice=with_role(ALICE, "Viewer", BOTH))
    offline, live = repository.changes(), repository.changes("--live")
    said = repository.team.change_role("alice", "Viewer", BOTH, "--dry-run=server")

    assert (offline[0], offline[1]["alice"]["isRefused"], said.passed) == (0, False, False)
    assert (live[0], live[1]["alice"]["isRefused"]) == (2, True)
    assert live[1]["alice"]["missingAcknowledgement"] == ALL_THREE
    assert live[1]["alice"]["acknowledgementFlaw"] == "The acknowledgement doesn't name by-hand."
    assert live[1]["alice"]["keyIds"] == {
        name: repository.team.world.key(name)["status"]["keyId"] for name in ("by-hand", "ci-deploy", "laptop")
    }
    place = f"Secret {repository.team.namespace}/by-hand   {live[1]['alice']['keyIds']['by-hand']}"
    assert f"  revoked   by-hand     {place}" in repository.impact("--live").stdout.splitlines()


def test_what_it_asks_for_is_what_the_webhook_accepts(repository: Repository) -> None:
    repository.change(alice=with_role(ALICE, "Viewer", ALL_THREE))
    assert repository.changes("--live")[0] == 0
    assert repository.team.change_role("alice", "Viewer", ALL_THREE, "--dry-run=server").passed


def test_members_who_are_only_in_the_cluster_stay_and_count(repository: Repository) -> None:
    repository.change(olga=with_role(OLGA, "Member"))
    assert repository.changes("--live")[1]["olga"]["refusals"] != []
    repository.team.world.create(OTTO)
    code, changes = repository.changes("--live")
    assert (code, list(changes), changes["olga"]["refusals"]) == (0, ["olga"], [])
    assert repository.team.change_role("olga", "Member", None, "--dry-run=server").passed


def test_a_removed_members_keys_that_stay_in_the_cluster_are_said(repository: Repository) -> None:
    repository.change(alice=None)
    _, changes = repository.changes("--live")
    assert changes["alice"]["ends"] == ["by-hand", "ci-deploy", "laptop"]
    assert changes["alice"]["leftBehind"]["by-hand"] == ""
    assert "ApiKey by-hand is still in the cluster. Remove it too" in repository.impact("--live").stdout


def test_the_cluster_says_which_role_and_which_acknowledgement_were_there(repository: Repository) -> None:
    approval = "Analyst: by-hand, ci-deploy, laptop"
    repository.team.world.change_role("alice", "Analyst", annotations={ANNOTATION: approval})
    repository.change(alice=with_role(ALICE, "Member", approval))
    repository.team.world.create(manifests.api_key("new", "alice"))
    repository.team.wait_settled("new")
    _, changes = repository.changes("--live")
    assert (changes["alice"]["from"], changes["alice"]["to"]) == ("Analyst", "Member")
    assert "new" in changes["alice"]["ends"]
    assert "by-hand" not in changes["alice"]["ends"]
    assert "is from an earlier change" in changes["alice"]["acknowledgementFlaw"]


def test_the_policy_in_force_is_the_clusters(repository: Repository) -> None:
    repository.change(alice=VIEWER)
    repository.team.set_rules(whenKeysExist="Deny")
    repository.team.world.wait_reason("acme", "Active", plural="organizations", within=60)
    (repository.folder / "base" / "acme.yaml").unlink()
    (repository.folder / "head" / "acme.yaml").unlink()
    assert repository.changes()[1]["alice"]["whenKeysExist"] == "Warn"
    code, changes = repository.changes("--live")
    assert (code, changes["alice"]["whenKeysExist"]) == (2, "Deny")
    assert "whenKeysExist: Deny" in changes["alice"]["refusals"][0]


def test_it_only_lists_and_only_the_three_kinds(repository: Repository, audit: Audit) -> None:
    repository.change(alice=VIEWER)
    audit.reset()
    repository.changes("--live")
    user = f"system:serviceaccount:{repository.team.namespace}:{READER}"
    asked = {(entry.verb, entry.resource, entry.code) for entry in audit.entries() if entry.user == user}
    assert asked == {("list", kind, 200) for kind in people.KINDS}


def test_without_the_right_it_says_which_is_missing_and_exits_with_one(
    judged: "Judged", repository: Repository, tmp_path: Path
) -> None:
    repository.change(alice=VIEWER)
    with bare_team(judged.plane) as stranger:
        foreign = reader_of(judged, stranger, tmp_path / "foreign.kubeconfig", ["get", "list"])
        result = repository.impact("--live", kubeconfig=foreign)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("tenure: ")
    assert 'cannot list resource "organizations"' in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_without_a_cluster_it_says_so_and_exits_with_one(repository: Repository) -> None:
    repository.change(alice=VIEWER)
    result = repository.impact("--live", kubeconfig=Path("/nowhere/kubeconfig"))
    assert (result.returncode, result.stdout) == (1, "")
    assert "/nowhere/kubeconfig" in result.stderr
