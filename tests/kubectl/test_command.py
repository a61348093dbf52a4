"""`kubectl tenure` by the real kubectl: what members may see and do, and what the cluster says to it."""

import asyncio
import base64
import json
from pathlib import Path

import pytest

from support.cluster.world import World
from support.objects.manifests import marked, member
from support.programs.judged import Judged
from support.programs.kubectl_tenure import Person, member_of, person, settle
from tenure.errors import ConflictError
from tenure.kube.cluster import Cluster
from tenure.kube.connection import connect_as_caller
from tenure.kube.edits import make_edit, try_edit
from tenure.kube.snapshots import read_snapshot
from tenure.viewmodel import edits
from tenure.viewmodel.edits import Edit

ARGO = {"argocd.argoproj.io/tracking-id": "acme:tenure.dev/Membership:acme/zed"}


@pytest.fixture(scope="module")
def alice(judged: Judged, acme: World, tmp_path_factory: pytest.TempPathFactory) -> Person:
    return member_of(judged, acme, tmp_path_factory.mktemp("alice"), "alice", "Member")


@pytest.fixture(scope="module")
def olga(judged: Judged, acme: World, tmp_path_factory: pytest.TempPathFactory) -> Person:
    return member_of(judged, acme, tmp_path_factory.mktemp("olga"), "olga", "Owner")


def test_a_member_sees_members_and_keys_and_who_she_is(alice: Person, acme: World) -> None:
    rows = [line.split()[0] for line in alice.run("tenure", "members").stdout.splitlines()[1:]]
    assert {"alice", "anna", "bob", "ci", "olga"} <= {*rows}
    names = alice.tenure("keys", "alice", "-o", "name").stdout.split()
    assert names == ["apikey.tenure.dev/ci-deploy", "apikey.tenure.dev/laptop"]
    assert alice.run("get", *names, "-o", "name").stdout.split() == names
    page = json.loads(alice.tenure("whoami", "-o", "json").stdout)
    assert (page["username"], page["searched"]) == ("alice@acme.io", [acme.api.namespace])
    (mine,) = page["memberships"]
    assert (mine["member"], mine["role"], [key["name"] for key in mine["keys"]]) == (
        "alice",
        "Member",
        ["ci-deploy", "laptop"],
    )
    assert alice.tenure("can", "clusters", "--level", "Full").stdout.splitlines() == [
        "yes",
        "Member has Full for clusters (cluster management)",
    ]
    assert alice.tenure("can", "billing", "--level", "Full", code=3).stdout.startswith("no\n")


def test_who_may_not_is_told_so(alice: Person, judged: Judged, acme: World, tmp_path: Path) -> None:
    otto = person(judged.plane, acme.api.namespace, tmp_path, "otto@elsewhere.example")
    said = otto.tenure("members", code=1)
    assert said.stdout == ""
    assert said.stderr.startswith("tenure: you may not list memberships.tenure.dev in namespace ")
    said = alice.tenure("preview", "bob", "Analyst", "-o", "json", code=3)
    verdict = json.loads(said.stdout)["verdict"]
    assert not verdict["allowed"]
    assert 'cannot patch resource "memberships"' in verdict["message"]
    assert "rejected: " in alice.tenure("revoke", "bob-cli", "--apply", "--yes", code=1).stderr
    assert acme.key("bob-cli")
    said = alice.tenure("token", "laptop", code=1)
    assert f"tenure: you may not read Secret {acme.api.namespace}/laptop." in said.stderr


@pytest.mark.parametrize(
    "row", [("anna", "Viewer", ["cost-report"]), ("ci", "Analyst", []), ("olga", "Member", ["olga-admin"])], ids=str
)
def test_a_preview_is_the_clusters_dry_run_and_impact(
    root: Person, acme: World, tmp_path: Path, row: tuple[str, str, list[str]]
) -> None:
    who, (name, role, kinds) = root, row
    allowed = name != "olga"  # The last Owner stays.
    page = json.loads(who.tenure("preview", name, role, "-o", "json", code=0 if allowed else 3).stdout)
    revoked = [one["key"]["name"] for one in page["keys"] if one["fate"] == "revoked"]
    assert revoked == kinds
    assert page["verdict"]["allowed"] is allowed
    ids = {one["key"]["name"]: one["keyIds"] for one in page["keys"]}
    assert ids == {key: acme.key(key)["status"]["keyId"] for key in ids}

    patch = ["patch", "membership", name, "--type=merge", f"--patch={json.dumps(page['edit']['patch'])}"]
    said = who.run(*patch, "--dry-run=server", code=0 if allowed else 1).stderr
    for key in revoked if allowed else ():
        assert f"- {key} ({ids[key]}, " in said
    assert allowed or page["verdict"]["message"] in said

    base = acme.member(name)
    manifest = {key: base[key] for key in ("apiVersion", "kind", "spec")}
    manifest["metadata"] = {"name": name, "namespace": acme.api.namespace}
    (tmp_path / "before.yaml").write_text(json.dumps(manifest))
    (tmp_path / "after.yaml").write_text(json.dumps({**manifest, "spec": {**manifest["spec"], "role": role}}))
    impact = who.live_impact(tmp_path / "before.yaml", tmp_path / "after.yaml")
    (change,) = impact["changes"]
    assert change["ends"] == revoked
    assert change["stays"] == [one["key"]["name"] for one in page["keys"] if one["fate"] == "kept"]
    assert change["missingAcknowledgement"] == page["acknowledgement"]
    assert change["refusals"] == page["refusals"]
    assert {key: one for key, one in ids.items() if key in revoked} == change["keyIds"]


def test_a_role_change_is_made_as_it_was_shown(olga: Person, acme: World) -> None:
    said = olga.tenure("preview", "bob", "Analyst", "--apply", code=1)
    assert "there is no terminal to ask you. Add --yes" in said.stderr
    assert acme.member("bob")["spec"]["role"] == "Viewer"
    said = olga.run("tenure", "preview", "bob", "Analyst", "--apply", "--yes")
    assert "Warning: spec.role: Viewer -> Analyst revokes 1 API key of bob@acme.io:" in said.stderr
    stored = acme.member("bob")
    assert stored["spec"]["role"] == "Analyst"
    assert stored["metadata"]["annotations"]["tenure.dev/acknowledge-key-deletion"] == "Analyst: bob-cli"
    managers = {one["manager"] for one in stored["metadata"]["managedFields"] if not one.get("subresource")}
    assert "kubectl-tenure" in managers
    acme.wait_gone("apikeys", "bob-cli", within=60)
    rows = {line.split()[0]: line for line in olga.tenure("members").stdout.splitlines()}
    assert "was Viewer" in rows["bob"]
    assert "by hand" in rows["bob"], "the command is people's, so a deleted key doesn't come back"


def test_a_managed_object_is_left_alone(olga: Person, acme: World) -> None:
    acme.create(marked(member("zed", "Viewer"), annotations=ARGO))
    said = olga.tenure("preview", "zed", "Analyst", "--apply", code=3)
    assert "Managed by Argo CD. Change it there" in said.stdout
    assert "isn't yours to change by hand: managed by Argo CD" in said.stderr
    assert acme.member("zed")["spec"]["role"] == "Viewer"
    olga.tenure("preview", "zed", "Analyst", "--apply", "--even-if-managed")
    assert acme.member("zed")["spec"]["role"] == "Analyst"


def test_members_come_from_standard_input_and_go(olga: Person, acme: World) -> None:
    said = olga.tenure("invite", "--role=Viewer", "--apply", "-o=name", text="new@acme.io\nalice@acme.io # again\n")
    assert said.stdout == "membership.tenure.dev/new\n"
    assert "tenure: alice@acme.io is a member already: alice, Member" in said.stderr
    assert acme.member("new")["spec"]["subject"] == {"kind": "User", "name": "new@acme.io"}
    said = olga.tenure("invite", "x@elsewhere.example", "--role=Viewer", "--apply", code=1)
    assert "rejected: spec.subject.name: " in said.stderr
    olga.tenure("remove", "new", "--apply")
    acme.wait_gone("memberships", "new", within=60)


def test_a_key_is_rotated_suspended_and_read(root: Person, acme: World) -> None:
    old = base64.b64decode(acme.api.get("secrets", "pipeline")["data"]["token"]).decode()  # type: ignore[index]
    assert root.tenure("token", "pipeline").stdout == f"{old}\n"
    root.tenure("rotate", "pipeline", "--apply")
    assert acme.key("pipeline")["spec"]["rotation"]["request"] == 1
    root.tenure("suspend", "--key=pipeline", "--apply")
    assert acme.key("pipeline")["spec"]["suspended"] is True
    root.tenure("resume", "--key=pipeline", "--apply")
    root.tenure("suspend", "anna", "--reason=INC-1", "--apply")
    organization = acme.api.get("organizations", "acme")
    assert organization is not None
    assert organization["spec"]["suspendedMembers"] == [{"name": "anna", "reason": "INC-1"}]
    root.tenure("resume", "anna", "--apply")
    settle(acme, "anna", 1)


def test_kubectl_completes_members(root: Person) -> None:
    lines = root.run("__complete", "tenure", "preview", "al").stdout.splitlines()
    assert lines[0] == "alice"


def test_nobody_elses_change_is_overwritten(root: Person, acme: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(root.kubeconfig))

    async def edit() -> tuple[Cluster, Edit]:
        cluster = Cluster(await connect_as_caller())
        snapshot = await read_snapshot(cluster, acme.api.namespace)
        (change,) = edits.rotate(snapshot, "cost-report").changes
        return cluster, change

    async def clash() -> None:
        cluster, change = await edit()
        async with cluster:
            assert (await try_edit(cluster, change)).allowed
            acme.change_key("cost-report", description="changed meanwhile")
            with pytest.raises(ConflictError):
                await make_edit(cluster, change)

    asyncio.run(clash())
    assert "rotation" not in acme.key("cost-report")["spec"]
