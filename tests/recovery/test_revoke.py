"""`tenure revoke --issued-before` ends every key that was issued before a moment, and no other."""

import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
from contextlib import suppress
from pathlib import Path

import pytest

from support.cluster.world import World
from support.objects.manifests import api_key, marked, member, organization, service_account
from support.programs.judged import Judged
from support.programs.revocation import Caller, caller, json_of, moment_after, rows
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure.domain.tokens import Token

ARGO_CD = {"argocd.argoproj.io/tracking-id": "acme:tenure.dev/ApiKey:acme/ci"}
PATIENCE = 30.0
OLD = ("ci", "laptop", "robot")
CTRL_C = "\x03"


@pytest.fixture
def before(world: World) -> dict[str, Token]:
    """Give the tokens of keys that were issued before the moment; one is suspended, Argo CD holds another."""
    world.create(organization(), member("alice"), member("bob", "Viewer"), service_account("deploy"))
    world.create(api_key("laptop", "alice"), marked(api_key("ci", "alice"), annotations=ARGO_CD))
    world.create(api_key("robot", "deploy"))
    tokens = world.issue(*OLD, within=PATIENCE)
    world.change_key("laptop", suspended=True)
    world.wait_reason("laptop", "Suspended", within=PATIENCE)
    return tokens


@pytest.fixture
def acme(world: World, before: dict[str, Token]) -> tuple[World, dict[str, Token]]:
    return world, before


@pytest.fixture
def moment(world: World, before: dict[str, Token]) -> str:
    return moment_after(world, *before)


def test_it_ends_what_was_issued_before_and_nothing_else(
    world: World, owner: Caller, before: dict[str, Token], moment: str
) -> None:
    world.create(api_key("later", "bob"), api_key("waits", "bob", forRole="Owner"))
    world.change_key("robot", revision=2)
    new = {**world.issue("later", within=PATIENCE), "robot": world.wait_new_token("robot", before["robot"], within=30)}
    world.wait_reason("waits", "RoleMismatch", within=PATIENCE)
    key_id = world.key("laptop")["status"]["keyId"]

    said = owner.run("--issued-before", moment, "--namespace", world.api.namespace, "--yes")

    assert said.stderr == f"tenure: cluster tenure-dev, {world.api.plane.server} (context tenure-dev)\n"
    assert said.stdout.splitlines()[-1] == f"2 keys issued before {moment} revoked"
    assert set(rows(said.stdout)) == {"ci", "laptop"}
    namespace, name, shown, of, issued, result = rows(said.stdout)["laptop"]
    assert (namespace, name, shown, of, result) == (world.api.namespace, "laptop", key_id, "alice", "revoked")
    assert issued < moment
    assert {key: world.verdict(token) for key, token in before.items()} == dict.fromkeys(OLD, "NotFound")
    assert {world.verdict(token) for token in new.values()} == {"Valid"}
    assert {body["metadata"]["name"] for body in world.api.list("apikeys")} == {"later", "robot", "waits"}
    for key in ("ci", "laptop"):
        world.wait_gone("secrets", key, within=PATIENCE)
    again = owner.run("--issued-before", moment, "--namespace", world.api.namespace, "--yes")
    assert again.stdout == f"0 keys issued before {moment} revoked\n"


def test_a_key_that_git_holds_comes_back_with_a_new_token(
    world: World, owner: Caller, before: dict[str, Token], moment: str
) -> None:
    scope = ("--issued-before", moment, f"--namespace={world.api.namespace}", "--yes")
    said = rows(owner.run(*scope).stdout)
    assert said["ci"][5] == "revoked; Git recreates it with a new token (argocd.argoproj.io/tracking-id)"
    assert said["robot"][5] == "revoked"
    world.create(marked(api_key("ci", "alice"), annotations=ARGO_CD))  # As self-heal does.
    new = world.issue("ci", within=PATIENCE)["ci"]
    assert new != before["ci"]
    assert (world.verdict(new), world.verdict(before["ci"])) == ("Valid", "NotFound")
    assert owner.results(*scope) == {}


def test_a_tombstone_stays_so_that_git_does_not_bring_its_key_back_unasked(
    world: World, owner: Caller, before: dict[str, Token], moment: str
) -> None:
    world.change_role("alice", "Viewer")
    world.wait_reason("ci", "RoleChanged", within=PATIENCE)
    result = owner.results("--issued-before", moment, f"--namespace={world.api.namespace}", "--yes")
    assert "ci" not in result
    assert world.key("ci")["status"]["conditions"][0]["reason"] == "RoleChanged"
    assert world.verdict(before["ci"]) == "RoleChanged"


def test_a_dry_run_prints_and_changes_nothing(world: World, owner: Caller, before: dict[str, Token]) -> None:
    bodies = world.api.list("apikeys")
    said = owner.run("--issued-before", "0s", f"--namespace={world.api.namespace}", "--dry-run")
    assert {name: row[5].split(";")[0] for name, row in rows(said.stdout).items()} == dict.fromkeys(
        OLD, "would be revoked"
    )
    document = json_of(
        owner.run("--issued-before", "0s", f"--namespace={world.api.namespace}", "--dry-run", "-o", "json")
    )
    assert document["dryRun"] is True
    assert [(key["name"], key["result"], key["comesBackFromGit"]) for key in document["keys"]] == [
        ("ci", None, True),
        ("laptop", None, False),
        ("robot", None, False),
    ]
    assert {body["metadata"]["resourceVersion"] for body in bodies} == {
        body["metadata"]["resourceVersion"] for body in world.api.list("apikeys")
    }
    assert world.verdict(before["robot"]) == "Valid"


def test_one_member_and_some_namespaces(world: World, owner: Caller, before: dict[str, Token]) -> None:
    where = f"--namespace={world.api.namespace}"
    result = owner.results("--issued-before=0s", where, where, "--membership=deploy", "--yes")
    assert result == {"robot": "Ended"}
    assert [world.verdict(before[key]) for key in OLD] == ["Valid", "Suspended", "NotFound"]


def test_a_handed_over_key_is_found_by_each_member_that_one_of_its_tokens_was_issued_to(
    world: World, owner: Caller, before: dict[str, Token]
) -> None:
    scope = ("--issued-before=0s", f"--namespace={world.api.namespace}")
    world.change_key("robot", membership="bob")
    new = world.wait_new_token("robot", before["robot"], within=30)
    assert "robot" in rows(owner.run(*scope, "--membership=bob", "--dry-run").stdout)
    assert owner.results(*scope, "--membership=deploy", "--yes") == {"robot": "Ended"}
    assert {world.verdict(token) for token in (before["robot"], new)} == {"NotFound"}


def test_a_mistyped_name_is_not_taken_for_success(world: World, owner: Caller, before: dict[str, Token]) -> None:
    where = f"--namespace={world.api.namespace}"
    said = owner.run("--issued-before=0s", where, "--membership=deploi", "--yes").stderr
    assert said.splitlines()[1:] == [
        f"tenure: namespace {world.api.namespace} has no ApiKey of member deploi. Check the name."
    ]
    assert world.verdict(before["robot"]) == "Valid"
    said = owner.refused("--issued-before=0s", where, "--membership=robot,status.keyId=x", "--yes", code=2)
    assert "is not a valid Membership name" in said
    assert "is not a valid namespace name" in owner.refused("--issued-before=0s", "--namespace=A/B", "--yes", code=2)


def test_without_a_terminal_it_asks_for_yes_and_ends_nothing(
    world: World, owner: Caller, before: dict[str, Token]
) -> None:
    said = owner.refused("--issued-before=0s", f"--namespace={world.api.namespace}")
    assert said == (
        "tenure: No key was revoked, because there is no terminal to ask you. Add --yes, or list the keys with "
        "--dry-run\n"
    )
    assert world.verdict(before["robot"]) == "Valid"


@pytest.mark.parametrize("answer", ["y", "n", CTRL_C], ids=["yes", "no", "Ctrl-C"])
def test_in_a_terminal_it_names_the_keys_and_asks(
    world: World, owner: Caller, before: dict[str, Token], answer: str
) -> None:
    code, seen, out = at_terminal(owner, answer, "--issued-before=0s", f"--namespace={world.api.namespace}")
    assert "Revoke 3 keys in 1 namespace? [y/N]:" in seen
    for key in OLD:
        assert f"{world.api.namespace}  {key}" in seen
    if answer == "y":
        assert "Revoking keys" in seen
        assert "3/3" in seen
        assert (code, out.splitlines()[-1].split(" issued")[0]) == (0, "3 keys")
    else:
        assert (code, out) == (1 if answer == "n" else 130, "")
    assert [world.verdict(before[key]) for key in OLD] == (
        ["NotFound"] * 3 if answer == "y" else ["Valid", "Suspended", "Valid"]
    )


def at_terminal(person: Caller, answer: str, *args: str) -> tuple[int, str, str]:
    """Run it in a terminal, answer its question, and return exit code, what was seen there, and its output."""
    screen, terminal = pty.openpty()
    with subprocess.Popen(
        person.command(*args),
        env=person.environment,
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
        start_new_session=True,
        preexec_fn=take_terminal,  # noqa: PLW1509  (it takes no lock)
    ) as process:
        os.close(terminal)
        try:
            seen = read_until(screen, "[y/N]:")
            if answer == CTRL_C:
                press_until_it_ends(process, screen)
            else:
                os.write(screen, f"{answer}\n".encode())
            seen += read_until(screen, None)
            assert process.stdout is not None
            out = process.stdout.read()
        finally:
            process.kill()  # Or a test that fails would wait for it for ever. After its end this does nothing.
    os.close(screen)
    return process.returncode, seen, out


def press_until_it_ends(process: subprocess.Popen[str], screen: int) -> None:
    """Press Ctrl-C, as people do, until it has an effect.

    Python loses the first one for a moment if it comes between the question and the read that waits for its answer.
    """

    def pressed() -> bool:
        os.write(screen, CTRL_C.encode())
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
        return process.returncode is not None

    eventually(pressed, within=60, describe="it ends on Ctrl-C")


def read_until(screen: int, words: str | None) -> str:
    """Read what a terminal shows until some words come, or until nobody writes to it any more."""
    seen = ""
    while words is None or words not in seen:
        assert select.select([screen], [], [], NEVER)[0], f"nothing more is written: {seen}"
        try:
            seen += os.read(screen, 4096).decode()
        except OSError:  # Its other end is closed.
            assert words is None, seen
            break
    return seen


def take_terminal() -> None:
    """Make the standard input the session's terminal, so that Ctrl-C is a signal.

    A shell that starts the tests in the background has them, and what they start, ignore that signal.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.parametrize("role", ["Viewer", "Member"])
def test_who_may_not_revoke_is_told_what_is_missing(
    world: World, judged: Judged, before: dict[str, Token], tmp_path: Path, role: str
) -> None:
    namespace = world.api.namespace
    person = caller(judged.plane, namespace, role, tmp_path)
    said = person.refused("--issued-before=0s", f"--namespace={namespace}", "--yes")
    assert said == (
        f"tenure: No key was revoked: you lack revoke on apikeys.tenure.dev in namespace {namespace}. Owners have "
        "these rights in their organization's namespace (ClusterRole tenure-owner), and so have cluster "
        "administrators\n"
    )
    assert world.verdict(before["robot"]) == "Valid"


def test_an_owner_has_to_name_the_namespace(world: World, owner: Caller, before: dict[str, Token]) -> None:
    said = owner.refused("--issued-before=0s", "--yes")
    assert "you lack list, delete, revoke on apikeys.tenure.dev in all namespaces. Name the namespaces" in said
    said = owner.refused("--issued-before=0s", f"--namespace={world.api.namespace}", "--namespace=default", "--yes")
    assert "in namespace default" in said
    assert world.verdict(before["robot"]) == "Valid"


def test_a_moment_must_be_one_that_was(world: World, owner: Caller) -> None:
    where = f"--namespace={world.api.namespace}"
    said = owner.refused("--issued-before=2126-01-01T00:00:00Z", where, "--yes")
    assert "--issued-before: 2126-01-01T00:00:00Z is in the future" in said
    assert "Use 0s to revoke all keys" in said
    for text in ("yesterday", "2d", "2026-01-01"):
        assert "or how long ago, for example 2h" in owner.refused("--issued-before", text, where, "--yes", code=2)


@pytest.mark.parametrize(
    ("status", "doubt"),
    [
        (
            {"issued": {"at": "2126-01-01T00:00:00Z"}},
            "unclear: its time of issue, 2126-01-01T00:00:00Z, is in the future",
        ),
        ({"issued": None}, "unclear: its status names a Secret but has no time of issue"),
    ],
    ids=["in the future", "no time of issue"],
)
def test_a_status_that_can_not_be_trusted_does_not_slip_through(
    judged: Judged, owner: Caller, acme: tuple[World, dict[str, Token]], status: object, doubt: str
) -> None:
    world, before = acme
    judged.operator.pause()
    try:
        world.api.patch("apikeys", "robot", {"status": status}, "status")
        said = owner.run("--issued-before=0s", f"--namespace={world.api.namespace}", "--yes", code=2).stdout
    finally:
        judged.operator.resume()
    assert said.splitlines()[-1].endswith("if in doubt run `kubectl delete apikeys.tenure.dev NAME -n NAMESPACE`")
    assert ". 1 unclear: " in said
    namespace, name, *_, result = rows(said)["robot"]
    assert (namespace, name, result) == (world.api.namespace, "robot", doubt)
    assert [world.verdict(before[key]) for key in ("ci", "laptop")] == ["NotFound"] * 2
    assert world.api.get("apikeys", "robot") is not None


def test_a_key_that_tenure_has_not_looked_at_is_named(world: World, judged: Judged, owner: Caller) -> None:
    judged.operator.pause()
    try:
        world.create(api_key("new", "bob"))
        result = owner.run("--issued-before=0s", f"--namespace={world.api.namespace}", "--yes", "-o", "json", code=2)
    finally:
        judged.operator.resume()
    assert [(one["name"], one["membership"]) for one in json_of(result)["unclear"]] == [("new", "bob")]
