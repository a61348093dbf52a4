"""What people see of the pages: golden tables, and nothing of what others wrote that a terminal would obey."""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.cases import golden
from support.objects.builders import NOW, api_key, condition, issued, membership, organization, rotated
from support.objects.snapshots import ARGO, snapshot
from tenure.domain.permissions import Requester
from tenure.domain.roles import Capability, Level, Role
from tenure.kubectl import text
from tenure.kubectl.formats import OutputFormat
from tenure.kubectl.output import Block, Cell, Code, Line, Table, emit, show
from tenure.viewmodel import edits
from tenure.viewmodel.history import HistoryPage, HistoryRow
from tenure.viewmodel.identity import can_page, whoami_page
from tenure.viewmodel.invitations import invitations_page
from tenure.viewmodel.keys import keys_page
from tenure.viewmodel.members import members_page
from tenure.viewmodel.preview import Verdict, removal_preview, role_preview
from tenure.viewmodel.snapshot import Snapshot

HOSTILE = "\x1b[31mred\x07\u202eevil\u2066\x9b2J\nnext\u200b"
CHANGE = {"from": "Analyst", "to": "Member", "generation": 2, "at": "2027-02-20T08:30:00Z", "keyCount": 0, "keys": []}
ACTIVE = {"observedGeneration": 1, "conditions": [condition("Ready", "Active", holds=True)], "keyCount": 2}
ORG = organization(suspended_members=["bob"])
ALICE = membership("alice", status={**ACTIVE, "lastRoleChange": CHANGE})
BOB, CI = membership("bob", role="Viewer"), membership("ci", kind="ServiceAccount", status=ACTIVE)
LAPTOP = issued(api_key("laptop", ttl="2160h", description="Alice's laptop"), ALICE, ORG)
DEPLOY = rotated(issued(api_key("ci-deploy", for_role="Viewer", capabilities=["clusters"]), ALICE, ORG), former="old")
PIPELINE = issued(api_key("pipeline", membership="ci"), CI, ORG)
ME = Requester(username="alice@acme.io", groups=["system:authenticated"])
ROW = HistoryRow(
    at=NOW,
    by="Olga",
    commit="0123456789abcdef",
    subject="Move alice",
    namespace="acme",
    member="alice",
    from_role=Role.MEMBER,
    to_role=Role.VIEWER,
    revoked=("laptop",),
    reissued=("ci-deploy",),
    acknowledgement="Viewer: ci-deploy, laptop",
    acknowledged_by="fedcba9876543210",
)


def here(managers: Any = None) -> Snapshot:
    objects = (ORG, ALICE, BOB, CI, LAPTOP, DEPLOY, PIPELINE)
    return snapshot(*objects, **({"managers": managers} if managers else {}))


def previewed(verdict: Verdict, managers: Any = None) -> Iterable[Block]:
    return text.preview_text(replace(role_preview(here(managers), "alice", Role.VIEWER), verdict=verdict))


def applying(verdict: Verdict, managers: Any = None) -> Iterable[Block]:
    page = replace(role_preview(here(managers), "alice", Role.VIEWER), verdict=verdict)
    return text.preview_text(page, applying=True)


REFUSAL = Verdict(allowed=False, message="spec.role: no.\nBecause.")
GONE = replace(ROW, to_role=None, reissued=(), acknowledged_by=None)
PAGES: dict[str, Callable[[], Iterable[Block]]] = {
    "members": lambda: text.members_text(members_page(here())),
    "no-members": lambda: text.members_text(members_page(snapshot())),
    "keys": lambda: text.keys_text(keys_page(here()), unused=True),
    "preview": lambda: previewed(Verdict(allowed=True)),
    "preview-keep": lambda: text.preview_text(
        replace(role_preview(here(), "alice", Role.VIEWER, ["laptop", "ci-deploy"]), verdict=Verdict(allowed=True))
    ),
    "preview-applying": lambda: applying(Verdict(allowed=True)),
    "preview-applying-rejected": lambda: applying(REFUSAL),
    "preview-applying-managed": lambda: applying(Verdict(allowed=True), ARGO),
    "preview-rejected": lambda: previewed(REFUSAL),
    "preview-managed": lambda: previewed(Verdict(allowed=True), ARGO),
    "preview-service-account": lambda: text.preview_text(role_preview(here(), "ci", Role.VIEWER)),
    "removal": lambda: text.preview_text(removal_preview(here(), "alice")),
    "removal-managed": lambda: text.preview_text(removal_preview(here(ARGO), "bob")),
    "rotate": lambda: text.edits_text(edits.rotate(here(), "laptop")),
    "resume-managed": lambda: text.edits_text(edits.resume(here(ARGO), member="bob")),
    "revoke-managed": lambda: text.edits_text(edits.revoke(here(ARGO), "laptop")),
    "reissue-managed": lambda: text.edits_text(edits.revoke(here(ARGO), "laptop", reissue=True)),
    "applied": lambda: text.edits_text(replace(edits.rotate(here(), "laptop"), applied=True)),
    "invite": lambda: text.invitations_text(invitations_page(here(), ["zoe@acme.io", "max@acme.io"], Role.VIEWER)),
    "whoami": lambda: text.whoami_text(whoami_page(ME, [here()], ["acme"])),
    "whoami-nobody": lambda: text.whoami_text(whoami_page(Requester(username="otto"), [here()], None)),
    "can": lambda: text.can_text(replace(can_page(here(), ME, Capability.COSTS, Level.FULL), kubernetes=True)),
    "cannot": lambda: text.can_text(replace(can_page(here(), ME, Capability.MEMBERS, Level.VIEW), kubernetes=True)),
    "history": lambda: text.history_text(
        HistoryPage((ROW, GONE), ("89ab: x.yaml: no", "cdef: y.yaml: no", "0123: x.yaml: no"))
    ),
    "no-history": lambda: text.history_text(HistoryPage(())),
}


@pytest.mark.parametrize("page", PAGES)
def test_it_says_what_was_found_good(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    show(PAGES[page]())
    golden.check(f"kubectl/{page}.txt", capsys.readouterr().out)


Painter = Callable[[Iterable[Block]], str]


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Painter:
    """Give what is printed to a terminal with colours."""
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "120"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def paint(blocks: Iterable[Block]) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys.stdout, "isatty", lambda: True)
            show(blocks)
        return capsys.readouterr().out

    return paint


def test_a_terminal_gets_colours_and_the_same_words(painted: Painter) -> None:
    shown = painted(PAGES["preview"]())
    assert "\x1b[31mrevoked" in shown
    assert "[bold]" not in shown
    for word in ("laptop", "ci-deploy", "reissued", "Alice's laptop", "The cluster would accept this change."):
        assert word in shown


BLOCKS: dict[str, Callable[[str], Block]] = {
    "line": Line,
    "code": Code,
    "table": lambda one: Table((one,), [(one,), (Cell(one, "blue"),)]),
}


@pytest.mark.parametrize("block", BLOCKS)
def test_nothing_that_people_wrote_reaches_a_terminal(block: str, painted: Painter) -> None:
    shown = painted([BLOCKS[block](f"{HOSTILE}[bold]x[/bold]")])
    for bad in ("\x1b[31mred", "\x07", "\u202e", "\u2066", "\x9b", "\u200b"):
        assert bad not in shown
    assert "[bold]x[/bold]" in shown


@given(st.text(max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_format_is_printable(capsys: pytest.CaptureFixture[str], written: str) -> None:
    page = {"description": written, "names": [written]}
    for output in OutputFormat:
        emit(page, output, lambda: [Line(written), Code(written), Table((written,), [(written,)])], [written])
        shown = capsys.readouterr().out
        assert all(one.isprintable() for line in shown.split("\n") for one in line)
        if output in (OutputFormat.JSON, OutputFormat.YAML):
            read = json.loads(shown) if output is OutputFormat.JSON else yaml.safe_load(shown)
            assert read == page


def test_documents_have_no_internals(capsys: pytest.CaptureFixture[str]) -> None:
    emit(edits.rotate(here(), "laptop"), OutputFormat.JSON, list, [])
    (change,) = json.loads(capsys.readouterr().out)["changes"]
    assert change["patch"] == {"spec": {"rotation": {"request": 1}}}
    assert {"uid", "resourceVersion"}.isdisjoint(change)
