"""The command line: exit codes, errors without a traceback, and what the shell completes."""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tenure import __version__
from tenure.kubectl import changing, cli, completion, listing
from tenure.kubectl.formats import ExitCode
from tenure.kubectl.options import in_hours
from tenure.viewmodel.errors import ViewError

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the command for a person without a cluster, and return exit code and streams."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    def run(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kubectl-tenure", *args])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


def test_the_version(run: Run) -> None:
    assert run("--version") == (0, f"kubectl tenure {__version__}\n", "")


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["--help"], 0, ""),
        (["members"], 1, "tenure: Tenure doesn't know which cluster to use: KUBECONFIG isn't set, and there is no "),
        (["members", "-n", "A B"], 1, "tenure: 'A B' is not a valid namespace name."),
        (["members", "-o", "table"], 2, "Invalid value for '--output' / '-o': "),
        (["keys", "--expiring", "soon"], 2, "'soon' isn't a length of time. Write for example 14d or 12h."),
        (["preview", "alice"], 2, "Missing argument 'ROLE'"),
        (["suspend"], 2, "tenure: give exactly one of: a member, --key NAME, --organization"),
        (["suspend", "alice", "--organization"], 2, "tenure: give exactly one of"),
        (["suspend", "--key", "laptop", "--reason", "x"], 2, "tenure: --reason is only for a member."),
        (["invite", "zoe@acme.io"], 2, "tenure: --role is missing."),
        (["invite", "alice", "--resend"], 2, "tenure: --resend needs --mail-url"),
        (["history", "--repo", "nowhere"], 1, "tenure: --repo: there is no folder 'nowhere'."),
        (["hand-over", "--to", "bob"], 2, "Missing argument 'KEY'"),
    ],
)
def test_the_exit_code_says_what_happened(run: Run, args: list[str], code: int, says: str) -> None:
    got, out, err = run(*args)
    assert got == code
    assert says in err
    assert out == "" or code == 0


def test_a_no_has_a_code_of_its_own(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "can", lambda _: ExitCode.NO)
    assert run("can", "costs") == (3, "", "")


def test_a_bug_is_a_sentence_and_no_error_paints_the_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> ExitCode:
        raise KeyError("\x1b[31mboo\u202e")

    monkeypatch.setattr(listing, "members", fail)
    code, out, err = run("members")
    assert (code, out) == (1, "")
    assert err.startswith(f"tenure: this is a bug of kubectl tenure {__version__}: KeyError: ")
    assert "Traceback" not in err
    assert all(one.isprintable() for one in err.rstrip("\n"))

    def refuse(_: object) -> ExitCode:
        raise ViewError("first\nsecond\x1b[2J")

    monkeypatch.setattr(changing, "rotate", refuse)
    assert run("rotate", "laptop") == (1, "", "tenure: first\nsecond\\x1b[2J\n")


def test_a_reader_who_stops_is_no_bug(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: object) -> ExitCode:
        raise BrokenPipeError

    class Pipe(io.StringIO):
        """A stream whose descriptor may be replaced."""

        def fileno(self) -> int:
            return spare.fileno()

    with Path("/dev/null").open("wb") as spare:
        monkeypatch.setattr(listing, "members", stop)
        monkeypatch.setattr(sys, "stdout", Pipe())
        code, _, err = run("members")
    assert (code, err) == (1, "")


def test_short_options_are_taken_as_kubectl_takes_them() -> None:
    given = ["keys", "-o=json", "-n=acme", "--expiring=1d", "-oname", "--", "-o=x"]
    taken = ["keys", "-o", "json", "-n", "acme", "--expiring=1d", "-oname", "--", "-o=x"]
    assert cli.as_kubectl(given) == taken


def test_days_are_hours() -> None:
    assert [in_hours(one) for one in ("14d", "12h", "90m")] == ["336h", "12h", "90m"]


def completed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    monkeypatch.setattr(sys, "argv", ["kubectl_complete-tenure", *words])
    with monkeypatch.context() as patch:
        for name in ("COMP_WORDS", "COMP_CWORD", "_KUBECTL_TENURE_COMPLETE"):
            patch.setenv(name, "")
        completion.main()
    *values, directive = capsys.readouterr().out.splitlines()
    assert directive == ":4"
    return values


def test_the_shell_completes_commands_values_and_contexts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(yaml.safe_dump({"contexts": [{"name": "prod", "context": {}}, {"name": "stage", "context": {}}]}))
    monkeypatch.setenv("KUBECONFIG", str(config))
    assert completed(monkeypatch, capsys, "re") == ["revoke", "remove", "resume"]
    assert completed(monkeypatch, capsys, "preview", "alice", "V") == ["Viewer"]
    assert completed(monkeypatch, capsys, "keys", "-o", "") == ["text", "json", "yaml", "name"]
    assert completed(monkeypatch, capsys, "members", "--context", "p") == ["prod"]
    assert completed(monkeypatch, capsys, "keys", "") == [], "there is no cluster, and no traceback"
