"""Changes of ApiKeys and Organizations: what the cluster refuses, and every token that a change revokes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from support.objects.manifests import api_key, member, organization, service_account
from support.objects.trees import Said, fill, impact
from tenure.domain.text import printable

Body = dict[str, Any]

KEY = api_key("k1", "jo", access="View", ttl="2160h", expiresAt="2098-01-01T00:00:00Z", revision=3)
BASE = {
    "org": organization("c18"),
    "olga": member("olga", "Owner", organization="c18"),
    "jo": member("jo", organization="c18"),
    "ci": service_account("ci", organization="c18"),
    "k1": KEY,
    "robot": api_key("robot", "ci"),
}


def judge(tmp_path: Path, changed: dict[str, Body | None], base: dict[str, Body | None] | None = None) -> Said:
    """What the command says if these objects change."""
    before = {**BASE, **(base or {})}
    trees = []
    for folder, bodies in (("base", before), ("head", {**before, **changed})):
        present = [body for body in bodies.values() if body is not None]
        trees.append(fill(tmp_path / folder, {"a.yaml": yaml.safe_dump_all(present)}))
    return impact(trees[0], trees[1], "--namespace=c18", "--output=json")


def key(**spec: Any) -> Body:
    """The key with other fields; None: one is removed."""
    changed = {name: value for name, value in {**KEY["spec"], **spec}.items() if value is not None}
    return {**KEY, "spec": changed}


def org(**spec: Any) -> Body:
    """The Organization with these rules."""
    return organization("c18", **spec)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"k1": key(access="Full")}, "spec.access: can't be changed"),
        ({"k1": key(ttl="1h")}, "spec.ttl: can't be changed"),
        ({"k1": key(ttl=None)}, "spec.ttl: can't be changed"),
        ({"robot": api_key("robot", "ci", ttl="1h")}, "spec.ttl: can't be changed"),
        ({"k1": key(revision=2)}, "spec.revision: can only be raised"),
        ({"k1": key(revision=None)}, "spec.revision: can only be raised"),
        ({"k1": key(expiresAt="2098-01-01T00:00:01Z")}, "spec.expiresAt: can be set or made earlier, but not later"),
        ({"k1": key(expiresAt=None)}, "spec.expiresAt: can be set or made earlier, but not later"),
        (
            {"k1": key(membership="zoe"), "zoe": member("zoe", organization="other")},
            "spec.membership: jo belongs to Organization c18, and zoe to other. A key stays in its organization.",
        ),
        ({"k1": key(secretTemplate={"labels": {"a.io/b": "c"}})}, "the Organization allows no names"),
        ({"b": organization("b")}, "namespace c18 already has Organization c18, and it can have only one"),
        ({"jo": member("jo", organization="other")}, "spec.organization: can't be changed"),
        (
            {"k2": api_key("k2", "jo"), "org": org(keys={"requireExpiry": True})},
            "Keys of this organization must expire",
        ),
        (
            {"k2": api_key("k2", "jo", ttl="9000h"), "org": org(keys={"maxTTL": "8760h"})},
            "The key would be valid for longer than 8760h",
        ),
        ({"k2": api_key("k2", "jo"), "org": org(keys={"maxPerMember": 1})}, "jo already has 1 key"),
    ],
)
def test_what_the_cluster_refuses_does_not_pass(tmp_path: Path, changed: dict[str, Body | None], words: str) -> None:
    said = judge(tmp_path, changed)
    assert said.code == 2
    refusals = [
        one["refusals"]
        for part in said.document.values()
        if isinstance(part, list)
        for one in part
        if "refusals" in one
    ]
    assert words in printable(str(refusals)).replace("\\'", "'")
    assert said.document["passes"] is False


@pytest.mark.parametrize(
    ("changed", "lost"),
    [
        ({"k1": None}, {"k1": ("revoked", "NotFound")}),
        ({"k1": key(revision=4)}, {"k1": ("reissued", "Pending")}),
        ({"k1": key(expiresAt="2020-01-01T00:00:00Z")}, {"k1": ("revoked", "Expired")}),
        ({"k1": key(suspended=True)}, {"k1": ("suspended", "Suspended")}),
        ({"org": org(suspended=True)}, {"k1": ("suspended", "Suspended"), "robot": ("suspended", "Suspended")}),
        ({"org": org(suspendedMembers=[{"name": "jo"}])}, {"k1": ("suspended", "Suspended")}),
        ({"jo": None}, {"k1": ("revoked", "MembershipGone")}),
        ({"jo": None, "k1": None}, {"k1": ("revoked", "NotFound")}),
        ({"org": None}, {"k1": ("revoked", "OrganizationGone"), "robot": ("revoked", "OrganizationGone")}),
        ({"jo": member("jo", "Viewer", organization="c18")}, {"k1": ("revoked", "RoleChanged")}),
        (
            {"jo": member("jo", "Viewer", organization="c18"), "k1": key(forRole="Viewer")},
            {"k1": ("reissued", "RoleChanged")},
        ),
        ({"ci": service_account("ci", "Viewer", organization="c18")}, {}),
        ({"k1": key(expiresAt="2097-01-01T00:00:00Z")}, {}),
        ({"k2": api_key("k2", "jo")}, {}),
    ],
)
def test_every_token_that_is_lost_is_listed(
    tmp_path: Path, changed: dict[str, Body | None], lost: dict[str, tuple[str, str]]
) -> None:
    tokens = judge(tmp_path, changed).document["lostTokens"]
    assert {token["apiKey"]: (token["fate"], token["reason"]) for token in tokens} == lost


@pytest.mark.parametrize(
    ("changed", "lost"),
    [
        ({"k1": key(revision=4, access="Full")}, {}),
        (
            {"jo": member("jo", "Viewer", organization="c18"), "k1": key(forRole="Viewer", access="Full")},
            {"k1": ("revoked", "RoleChanged")},
        ),
    ],
)
def test_a_change_that_the_cluster_rejects_neither_revokes_nor_reissues_a_key(
    tmp_path: Path, changed: dict[str, Body | None], lost: dict[str, tuple[str, str]]
) -> None:
    said = judge(tmp_path, changed)
    assert {one["apiKey"]: (one["fate"], one["reason"]) for one in said.document["lostTokens"]} == lost
    assert [one["goesOn"] for one in said.document["changes"]] == [[]] * len(said.document["changes"])
    assert "spec.access: can't be changed" in str(said.document["changedKeys"])


@pytest.mark.parametrize("output", ["text", "markdown"])
@pytest.mark.parametrize("changed", [{"k1": None}, {"k1": key(revision=4)}, {"org": org(suspended=True)}], ids=str)
def test_a_lost_token_is_named_to_people(tmp_path: Path, changed: dict[str, Body | None], output: str) -> None:
    assert judge(tmp_path, changed).code == 0
    text = impact(tmp_path / "base", tmp_path / "head", "--namespace=c18", f"--output={output}").text
    assert "k1" in text


def test_a_suspended_key_that_is_removed_is_lost(tmp_path: Path) -> None:
    tokens = judge(tmp_path, {"k1": None}, {"k1": key(suspended=True)}).document["lostTokens"]
    assert [(token["apiKey"], token["fate"]) for token in tokens] == [("k1", "revoked")]


def test_an_owner_with_an_owner_reference_is_no_remaining_owner(tmp_path: Path) -> None:
    otto = member("otto", "Owner", organization="c18")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u"}
    owned = {**otto, "metadata": {**otto["metadata"], "ownerReferences": [reference]}}
    assert judge(tmp_path, {"olga": None}, {"otto": otto}).code == 0
    assert judge(tmp_path, {"olga": None, "otto": owned}, {"otto": otto}).code == 2


def test_an_owner_reference_is_a_removal_of_the_key(tmp_path: Path) -> None:
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u"}
    owned = {**KEY, "metadata": {**KEY["metadata"], "ownerReferences": [reference]}}
    assert [token["apiKey"] for token in judge(tmp_path, {"k1": owned}).document["lostTokens"]] == ["k1"]


def test_labels_that_are_too_many_are_refused(tmp_path: Path) -> None:
    labels = {f"l{number}": "" for number in range(65)}
    many = {**KEY, "metadata": {**KEY["metadata"], "labels": labels}}
    said = judge(tmp_path, {"k1": many})
    assert (said.code, "65 labels" in said.text) == (2, True)


def test_a_renamed_member_is_foreseen(tmp_path: Path) -> None:
    renamed = {**member("jo-smith", organization="c18"), "spec": BASE["jo"]["spec"]}
    said = judge(tmp_path, {"jo": None, "jo-smith": renamed, "k1": key(membership="jo-smith")})
    assert said.code == 2
    assert "Make two commits: first remove jo, and its keys (k1). Once that is applied, add jo-smith" in said.text


def test_a_member_who_is_there_twice_is_told_to_change_the_role(tmp_path: Path) -> None:
    twin = {**member("jo-smith", organization="c18"), "spec": BASE["jo"]["spec"]}
    said = judge(tmp_path, {"jo-smith": twin})
    assert (said.code, "with Membership jo." in said.text, "two commits" in said.text) == (2, True, False)
