"""Changes of one object each: the patch, the YAML, the kubectl command, and who manages the object."""

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.objects.builders import NOW, api_key, issued, membership, organization, rotated, with_status
from support.objects.snapshots import ARGO, FLUX, snapshot
from tenure.domain.resources import Membership, Resource
from tenure.domain.resources.base import NAME_LENGTH
from tenure.domain.roles import Role
from tenure.impact.schema import find_flaws
from tenure.viewmodel import edits
from tenure.viewmodel.edits import Action, EditsPage
from tenure.viewmodel.errors import ViewError
from tenure.viewmodel.invitations import invitations_page, names_for, split_addresses
from tenure.viewmodel.preview import removal_preview, role_preview
from tenure.viewmodel.sentences import dead_keys, summary
from tenure.viewmodel.snapshot import Snapshot

ORG, ALICE, BOB = organization(suspended_members=["bob"]), membership("alice"), membership("bob")
KEY = issued(api_key("ci-deploy", description='"; rm -rf'), ALICE, ORG)
RESTING = api_key("resting", suspended=True)
ALL = (ORG, ALICE, BOB, KEY, RESTING)


def here(*objects: Resource, managers: Any = None) -> Snapshot:
    return snapshot(*(objects or ALL), **({"managers": managers} if managers else {}))


def only(page: EditsPage) -> edits.Edit:
    (edit,) = page.changes
    return edit


PATCHES: dict[str, tuple[Any, Any, bool]] = {
    "rotate": (lambda s: edits.rotate(s, "ci-deploy"), {"rotation": {"request": 1}}, False),
    "hand over": (lambda s: edits.hand_over(s, ["ci-deploy"], "bob"), {"membership": "bob"}, False),
    "reissue": (lambda s: edits.revoke(s, "ci-deploy", reissue=True), {"revision": 2}, True),
    "suspend a key": (lambda s: edits.suspend(s, key="ci-deploy"), {"suspended": True}, False),
    "suspend all": (edits.suspend, {"suspended": True}, False),
    "suspend a member": (
        lambda s: edits.suspend(s, member="alice", reason="INC-1"),
        {"suspendedMembers": [{"name": "bob", "reason": "INC-4711"}, {"name": "alice", "reason": "INC-1"}]},
        False,
    ),
    "resume a key": (lambda s: edits.resume(s, key="resting"), {"suspended": None}, False),
    "resume the last member": (lambda s: edits.resume(s, member="bob"), {"suspendedMembers": None}, False),
}


@pytest.mark.parametrize(("make", "spec", "revokes"), PATCHES.values(), ids=PATCHES)
def test_each_change_is_a_patch_and_the_command_makes_the_same(make: Any, spec: Any, *, revokes: bool) -> None:
    edit = only(make(here()))
    assert edit.patch == {"spec": spec}
    words = shlex.split(edit.command)
    assert words[:3] == ["kubectl", "patch", f"{edit.plural}.tenure.dev"]
    locked = {"metadata": {"resourceVersion": "1"}} if "suspendedMembers" in spec else {}
    assert json.loads(words[-1]) == {**edit.patch, **locked}, "a list would undo what somebody else added to it"
    assert (edit.revokes, edit.by_hand, edit.action) == (revokes, True, Action.CHANGE)
    assert edit.preconditions == {"uid": edit.uid, "resourceVersion": "1"}
    assert edit.manifest is not None
    assert edit.manifest["spec"] == {name: value for name, value in spec.items() if value is not None}


def test_the_commands_are_for_the_context_that_was_chosen() -> None:
    """Pasted without it, they would change another cluster."""
    there = replace(here(), context="acme's prod")
    makers: list[Any] = [make for make, _, _ in PATCHES.values()]
    pages = [*(make(there) for make in makers), edits.revoke(there, "ci-deploy")]
    commands = [only(page).command for page in pages]
    commands += [removal_preview(there, "alice").edit.command, role_preview(there, "alice", Role.VIEWER).edit.command]
    commands += [one.command for one in invitations_page(there, ["zoe@acme.io"], Role.VIEWER).invitations]
    assert all("--context=acme's prod" in shlex.split(command) for command in commands)
    assert not any("--context" in only(make(here())).command for make in makers)


REFUSED = {
    "a key of nobody's": (
        lambda s: role_preview(s, "alice", Role.VIEWER, ["none"]),
        "doesn't revoke none, so leave it out. It revokes: ci-deploy",
    ),
    "no token": (lambda s: edits.rotate(s, "resting"), "has no token yet"),
    "no key": (lambda s: edits.rotate(s, "none"), "no ApiKey 'none' in namespace acme. There are: ci-deploy, resting"),
    "no key at all": (
        lambda _: edits.rotate(snapshot(ALICE), "laptop"),
        "This namespace has no ApiKey at all. Choose that",
    ),
    "no member": (lambda s: edits.hand_over(s, ["ci-deploy"], "none"), "no Membership 'none'"),
    "hers already": (lambda s: edits.hand_over(s, ["ci-deploy"], "alice"), "is alice's already"),
    "suspended already": (lambda s: edits.suspend(s, member="bob"), "bob is suspended already"),
    "not suspended": (lambda s: edits.resume(s, member="alice"), "alice isn't suspended. Suspended members: bob"),
    "the same role": (lambda s: role_preview(s, "alice", Role.MEMBER), "alice is Member already"),
    "nobody to invite": (lambda s: invitations_page(s, [], Role.VIEWER), "there is no address"),
    "no address": (lambda s: invitations_page(s, ["a@b.c", "x", "y\u202e@b.c"], Role.VIEWER), "'x', 'y.u202e@b.c'"),
}


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_said(make: Any, words: str) -> None:
    with pytest.raises(ViewError, match=words):
        make(here())


def test_flux_does_not_take_back_a_suspension() -> None:
    edit = only(edits.suspend(here(managers=FLUX), member="alice"))
    assert (edit.field_manager, edit.by_hand) == ("incident", False)
    assert "--field-manager=incident" in edit.command
    assert only(edits.suspend(here(managers=ARGO), member="alice")).field_manager == "kubectl-tenure"
    assert only(edits.rotate(here(managers=FLUX), "ci-deploy")).field_manager == "kubectl-tenure"


def test_a_key_without_a_token_is_issued_and_revokes_none() -> None:
    edit = only(edits.revoke(here(), "resting", reissue=True))
    assert (edit.summary, edit.revokes) == ("issue a token for the key (spec.revision: 2)", False)


def test_keys_to_keep_are_approved_first_and_acknowledged() -> None:
    plain, kept = (role_preview(here(), "alice", Role.VIEWER, keep) for keep in ((), ("ci-deploy",)))
    assert [(one.key.name, one.fate) for page in (plain, kept) for one in page.keys] == [
        ("ci-deploy", "revoked"),
        ("ci-deploy", "reissued"),
    ]
    assert plain.keepable == kept.keepable == ("ci-deploy",)
    approval, change = kept.edits
    assert (approval.name, approval.patch) == ("ci-deploy", {"spec": {"forRole": "Viewer"}})
    assert change.patch == plain.edit.patch, "the cluster can try it before the key is approved"
    approved = KEY.model_copy(update={"spec": KEY.spec.model_copy(update={"for_role": Role.VIEWER})})
    later = role_preview(here(ORG, ALICE, BOB, approved), "alice", Role.VIEWER, ["ci-deploy"])
    assert (later.approvals, later.edit.patch, later.keys[0].fate) == ((), change.patch, "reissued")


def test_of_a_key_that_was_handed_over_only_the_former_token_is_revoked() -> None:
    given, hers = (
        rotated(issued(api_key("ci-deploy", membership="bob"), BOB, ORG), former="old", replaced_at=NOW),
        KEY.status.issued,
    )
    assert given.status.previous is not None
    former = given.status.previous.model_copy(update={"issued": hers})
    given = with_status(given, given.status.model_copy(update={"previous": former}))
    page = role_preview(here(ORG, ALICE, BOB, given, issued(api_key("laptop"), ALICE, ORG)), "alice", Role.VIEWER)
    assert [(one.key.name, one.becomes) for one in page.keys] == [
        ("ci-deploy", "former token revoked"),
        ("laptop", "revoked"),
    ]
    assert (dead_keys(page), page.handed_over, page.keepable) == (["laptop"], ["ci-deploy"], ("laptop",))
    assert summary(page).startswith(
        "1 key revoked, 1 key handed over, whose former token of alice is revoked. Programs"
    )


def test_a_removal_is_a_deletion_that_names_the_keys() -> None:
    page = removal_preview(here(), "alice")
    assert (page.edit.action, page.edit.patch, page.edit.revokes) == (Action.DELETE, None, True)
    assert [(one.key.name, one.fate) for one in page.keys] == [("ci-deploy", "revoked")]
    assert not removal_preview(here(), "bob").edit.revokes


def test_invitations_leave_out_members_and_repetitions() -> None:
    asked = ["Zoe@acme.io", "ALICE@acme.io", "zoe@acme.io", "jean-luc.o'neil+x@acme.io"]
    page = invitations_page(here(), asked, Role.VIEWER)
    assert [(one.address, one.name) for one in page.existing] == [("ALICE@acme.io", "alice")]
    made = {edit.name: edit.manifest for edit in page.invitations}
    assert [*made] == ["zoe", "jean-luc-o-neil"]
    for manifest in made.values():
        assert manifest is not None
        assert list(find_flaws(Membership, manifest)) == []
    assert not invitations_page(here(managers=ARGO), asked, Role.VIEWER).by_hand


def test_two_addresses_never_share_a_name() -> None:
    names = names_for(["jo@a.io", "jo@b.io", "bob@a.io", "ä@a.io"], {"bob"})
    assert len({*names.values(), "bob"}) == 5
    assert names == names_for(["ä@a.io", "bob@a.io", "jo@b.io", "jo@a.io"], {"bob"})
    assert names["ä@a.io"] == "a"


LOCAL = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)


@given(st.lists(LOCAL, min_size=1, max_size=5, unique=True))
def test_every_name_is_one_that_kubernetes_allows(locals_: list[str]) -> None:
    for name in names_for([f"{local}@acme.io" for local in locals_], set()).values():
        assert 1 <= len(name) <= NAME_LENGTH
        assert all(one in "abcdefghijklmnopqrstuvwxyz0123456789-" for one in name)
        assert name.strip("-") == name


def test_addresses_are_parted_by_what_people_use() -> None:
    assert split_addresses("a@x.io, b@x.io;c@x.io\n# d@x.io\ne@x.io # new\n\n") == [
        "a@x.io",
        "b@x.io",
        "c@x.io",
        "e@x.io",
    ]
