"""`tenure impact`: what a change to a repository does to keys, and what it says about it."""

import contextlib
import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from support.objects.manifests import api_key, marked, member, organization, service_account
from tenure.cli import app
from tenure.domain.admission.acknowledgement import ANNOTATION
from tenure.impact.errors import BadInputError

Body = dict[str, Any]
Files = Mapping[str, list[Body]]

ACME = organization(roleChanges={"deny": [{"from": "Viewer", "to": "Owner"}]})
OLGA, ALICE, BOB, ROBOT = member("olga", "Owner"), member("alice"), member("bob", "Viewer"), service_account("ci")
KEYS = [
    api_key("ci-deploy", "alice"),
    api_key("laptop", "alice"),
    api_key("bob-cli", "bob"),
    api_key("pipeline", "ci"),
    api_key("waits", "alice", forRole="Analyst"),
]
BASE: Files = {"organization.yaml": [ACME], "members.yaml": [OLGA, ALICE, BOB, ROBOT], "keys.yaml": KEYS}


def _write(folder: Path, files: Files) -> Path:
    for name, bodies in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(yaml.safe_dump_all(bodies))
    return folder


def _impact(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["impact", *arguments])
    if isinstance(result.exception, BadInputError):
        return 1, str(result.exception)
    return result.exit_code, result.output


@pytest.fixture
def judge(tmp_path: Path) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Give a function that judges a change of members and keys, as JSON by the name of the member."""

    def judge(members: list[Body], keys: list[Body] = KEYS, base: Files = BASE) -> tuple[int, dict[str, Any]]:
        before = _write(tmp_path / "base", base)
        after = _write(tmp_path / "head", {**base, "members.yaml": members, "keys.yaml": keys})
        code, output = _impact("--base", str(before), "--head", str(after), "--output", "json")
        return code, {change["membership"]: change for change in json.loads(output)["changes"]}

    return judge


def _approve(body: Body, text: str) -> Body:
    return marked(body, annotations={ANNOTATION: text})


def _with_role(body: Body, role: str) -> Body:
    return {**body, "spec": {**body["spec"], "role": role}}


VIEWER = _with_role(ALICE, "Viewer")


def test_nothing_changes(judge: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    assert judge([OLGA, ALICE, BOB, ROBOT]) == (0, {})


def test_a_role_change_ends_the_working_keys_of_that_member(judge: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    code, changes = judge([OLGA, VIEWER, BOB, ROBOT])
    assert code == 2
    assert changes.keys() == {"alice"}
    assert changes["alice"]["ends"] == ["ci-deploy", "laptop"]
    assert changes["alice"]["missingAcknowledgement"] == "Viewer: ci-deploy, laptop"
    assert changes["alice"]["file"] == "members.yaml"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("Viewer: ci-deploy, laptop", 0, id="exactly"),
        pytest.param(" Viewer :laptop,ci-deploy, another", 0, id="more names, other order"),
        pytest.param("Viewer: laptop", 2, id="one is missing"),
        pytest.param("Analyst: ci-deploy, laptop", 2, id="another role"),
        pytest.param("Viewer: all 2", 2, id="a number where names are few"),
        pytest.param("whatever", 1, id="unreadable"),
    ],
)
def test_an_acknowledgement_names_role_and_keys(tmp_path: Path, text: str, code: int) -> None:
    before = _write(tmp_path / "base", BASE)
    after = _write(tmp_path / "head", {**BASE, "members.yaml": [OLGA, _approve(VIEWER, text), BOB, ROBOT]})
    assert _impact("--base", str(before), "--head", str(after))[0] == code


def test_an_acknowledgement_that_was_there_before_is_spent(judge: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    old = _approve(ALICE, "Viewer: ci-deploy, laptop")
    base = {**BASE, "members.yaml": [OLGA, old, BOB, ROBOT]}
    code, changes = judge([OLGA, _with_role(old, "Viewer"), BOB, ROBOT], base=base)
    printed = changes["alice"]["missingAcknowledgement"]
    assert (code, printed.split()) == (2, ["Viewer:", "ci-deploy,", "laptop", "(2)"])
    assert judge([OLGA, _approve(VIEWER, printed), BOB, ROBOT], base=base)[0] == 0


def test_many_keys_may_be_acknowledged_by_their_number(judge: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    keys = [api_key(f"key-{number}", "alice") for number in range(37)]
    base = {**BASE, "keys.yaml": keys}
    _, changes = judge([OLGA, VIEWER, BOB, ROBOT], keys, base)
    assert changes["alice"]["missingAcknowledgement"] == "Viewer: all 37"
    assert judge([OLGA, _approve(VIEWER, "Viewer: all 37"), BOB, ROBOT], keys, base)[0] == 0
    assert judge([OLGA, _approve(VIEWER, "Viewer: all 36"), BOB, ROBOT], keys, base)[0] == 2


def test_a_key_approved_in_the_same_commit_goes_on(judge: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    keys = [api_key("ci-deploy", "alice", forRole="Viewer"), *KEYS[1:]]
    code, changes = judge([OLGA, VIEWER, BOB, ROBOT], keys)
    assert code == 2
    assert (changes["alice"]["goesOn"], changes["alice"]["ends"]) == (["ci-deploy"], ["laptop"])
    assert changes["alice"]["missingAcknowledgement"] == "Viewer: ci-deploy, laptop"


def test_a_service_accounts_keys_stay(judge: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    code, changes = judge([OLGA, ALICE, BOB, _with_role(ROBOT, "Analyst")])
    assert (code, changes["ci"]["stays"], changes["ci"]["ends"]) == (0, ["pipeline"], [])


def test_a_new_member_is_told_of_the_keys_that_name_it_already(
    judge: Callable[..., tuple[int, dict[str, Any]]],
) -> None:
    """The file of a member who left comes back for somebody else, and the keys of the former one were never removed."""
    base = {**BASE, "members.yaml": [OLGA, BOB, ROBOT]}
    _, changes = judge([OLGA, ALICE, BOB, ROBOT], base=base)
    assert changes["alice"]["remark"].startswith("metadata.name: 3 ApiKeys name Membership alice already: ci-deploy, ")
    _, changes = judge([OLGA, ALICE, BOB, ROBOT], base={**base, "keys.yaml": []})
    assert changes["alice"]["remark"] is None


@pytest.mark.parametrize(
    ("before", "after", "waits"),
    [
        pytest.param("RequireAcceptance", "RequireAcceptance", True, id="acceptance is required"),
        pytest.param("None", "RequireAcceptance", False, id="the same change requires it"),
        pytest.param("RequireAcceptance", "Notify", False, id="the same change no longer requires it"),
        pytest.param("Notify", "Notify", False, id="a letter alone"),
    ],
)
def test_a_new_member_is_told_to_wait_for_the_acceptance(
    tmp_path: Path, before: str, after: str, *, waits: bool
) -> None:
    base, head = (
        {"organization.yaml": [organization(invitations={"mode": mode})], "members.yaml": [OLGA, BOB]}
        for mode in (before, after)
    )
    added = {**head, "members.yaml": [OLGA, BOB, ALICE], "keys.yaml": [api_key("laptop", "alice")]}
    folders = _write(tmp_path / "base", base), _write(tmp_path / "head", added)
    code, output = _impact("--base", str(folders[0]), "--head", str(folders[1]))
    assert code == 0
    assert ("alice@acme.io has to accept the invitation first" in output) is waits


def test_a_removed_member_leaves_keys_behind(judge: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    code, changes = judge([OLGA, ALICE, ROBOT])
    assert (code, changes["bob"]["ends"], changes["bob"]["to"]) == (0, ["bob-cli"], None)
    assert changes["bob"]["leftBehind"] == {"bob-cli": "keys.yaml"}


@pytest.mark.parametrize(
    ("members", "name", "words"),
    [
        pytest.param([ALICE, BOB, ROBOT], "olga", "must keep an Owner", id="last owner removed"),
        pytest.param([_with_role(OLGA, "Member"), ALICE, BOB, ROBOT], "olga", "must keep an Owner", id="demoted"),
        pytest.param([OLGA, ALICE, _with_role(BOB, "Owner"), ROBOT], "bob", "It allows Member, Analyst.", id="denied"),
        pytest.param(
            [_with_role(OLGA, "Member"), ALICE, _with_role(BOB, "Owner"), ROBOT],
            "bob",
            "It allows Member, Analyst.",
            id="denied while the Owner leaves",
        ),
        pytest.param(
            [OLGA, ALICE, member("bob", "Viewer", organization="other"), ROBOT], "bob", "can't be changed", id="moved"
        ),
    ],
)
def test_what_will_be_refused_is_said(
    judge: Callable[..., tuple[int, dict[str, Any]]], members: list[Body], name: str, words: str
) -> None:
    code, changes = judge(members)
    assert code == 2
    assert words in " ".join(changes[name]["refusals"])


def test_only_the_first_of_two_new_owners_is_the_first_owner(judge: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    acme = organization(roleChanges={"deny": [{"from": "None", "to": "Owner"}]})
    base = {"organization.yaml": [acme], "members.yaml": [BOB]}
    code, changes = judge([BOB, OLGA, member("zoe", "Owner")], keys=[], base=base)
    assert (code, changes["olga"]["refusals"]) == (2, [])
    assert "spec.roleChanges.deny" in " ".join(changes["zoe"]["refusals"])


def test_the_whole_organization_may_go(tmp_path: Path) -> None:
    before, after = _write(tmp_path / "base", BASE), tmp_path / "head"
    after.mkdir()
    assert _impact("--base", str(before), "--head", str(after))[0] == 1
    code, output = _impact("--base", str(before), "--head", str(after), "--allow-empty")
    assert code == 0
    assert "must keep an Owner" not in output


def test_text_and_markdown_say_the_same(tmp_path: Path) -> None:
    before = _write(tmp_path / "base", BASE)
    after = _write(tmp_path / "head", {**BASE, "members.yaml": [OLGA, VIEWER, BOB, ROBOT]})
    text = _impact("--base", str(before), "--head", str(after))[1]
    assert text.splitlines() == [
        f"{'acme/alice  Member -> Viewer'.replace('acme', 'default'):<62} members.yaml",
        "  revoked   ci-deploy   Secret default/ci-deploy",
        "  revoked   laptop      Secret default/laptop",
        '  not acknowledged. Add this annotation:   tenure.dev/acknowledge-key-deletion: "Viewer: ci-deploy, laptop"',
        "  The organization only warns (whenKeysExist: Warn), so the change is allowed without the annotation.",
        "2 keys revoked, 1 change not acknowledged",
    ]
    markdown = _impact("--base", str(before), "--head", str(after), "-o", "markdown")[1]
    assert "| `default/alice` | Member -> Viewer | `ci-deploy`, `laptop` |  |  |" in markdown.splitlines()
    assert "**2 keys revoked, 1 change not acknowledged**" in markdown.splitlines()


def test_a_git_revision_is_a_tree_too(tmp_path: Path) -> None:
    _write(tmp_path, BASE)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=base"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    _write(tmp_path, {"members.yaml": [OLGA, VIEWER, BOB, ROBOT]})
    with contextlib.chdir(tmp_path):
        assert _impact("--base", "HEAD", "--head", ".")[0] == 2
        code, message = _impact("--base", "no-such-thing", "--head", ".")
    assert code == 1
    assert "neither a folder nor a git revision" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("# tenure.dev\na: [", "bad.yaml: invalid YAML", id="no YAML"),
        pytest.param("# tenure.dev\na: 1\na: 2\n", "duplicate key 'a'", id="a key twice"),
        pytest.param("# tenure.dev\na: !!int b\n", "bad.yaml: invalid YAML", id="no number"),
        pytest.param(
            yaml.safe_dump({**ALICE, "metadata": {"name": "alice", "annotations": ["a"]}}),
            "Membership default/alice: metadata.annotations: must be a map",
            id="annotations are a list",
        ),
        pytest.param(
            yaml.safe_dump(_with_role(ALICE, "Boss")), "bad.yaml: Membership default/alice: spec.role", id="role"
        ),
        pytest.param(
            yaml.safe_dump({**ALICE, "spec": {**ALICE["spec"], "rolle": "Owner"}}),
            "Membership default/alice: spec.rolle: unknown field",
            id="unknown field",
        ),
        pytest.param(yaml.safe_dump({**ALICE, "metadata": {}}), "metadata.name is missing", id="no name"),
        pytest.param(yaml.safe_dump_all([ALICE, ALICE]), "is also in bad.yaml", id="an object twice"),
    ],
)
def test_bad_input_names_file_and_field(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    code, message = _impact("--base", str(tmp_path), "--head", str(tmp_path))
    assert code == 1
    assert words in message


def test_other_objects_and_lists_are_read(tmp_path: Path) -> None:
    items = {"apiVersion": "v1", "kind": "List", "items": [ACME, OLGA, *KEYS]}
    (tmp_path / "all.json").write_text(json.dumps(items))
    (tmp_path / "other.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: b}\n")
    (tmp_path / "notes.txt").write_text("no: [manifest")
    (tmp_path / "broken.yaml").write_text("a: [")
    unchanged = (0, "No key is revoked, and nothing is rejected\n")
    assert _impact("--base", str(tmp_path), "--head", str(tmp_path)) == unchanged
