"""Whatever `tenure impact` advises passes when it is followed literally, in as many commits as it says."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.objects.advice import follow
from support.objects.manifests import api_key, member, organization
from support.objects.pull_requests import ALICE, BOTH, OLGA, PULL_REQUESTS, PullRequest, Tree, acme, with_role, write
from support.objects.trees import impact

A, K = "members/alice.yaml", "keys/{}.yaml".format
OLD = {K("old"): api_key("old", "alice", ttl="1h", revision=3, expiresAt="2098-01-01T00:00:00Z")}


def key_change(title: str, **spec: Any) -> PullRequest:
    """A change of a key that the schema may refuse; None: a field is left out."""
    old = OLD[K("old")]
    fields = {name: value for name, value in {**old["spec"], **spec}.items() if value is not None}
    return PullRequest(title, {K("old"): {**old, "spec": fields}}, 2, base=OLD)


def new_key(title: str, rules: dict[str, Any] | None = None, **spec: Any) -> PullRequest:
    """A new key that the organization's rules may refuse."""
    return PullRequest(
        title, {K("new"): api_key("new", "alice", **spec)}, 2, base={"acme.yaml": acme(keys=rules or {})}
    )


MORE = [
    key_change("another access", access="View"),
    key_change("another ttl", ttl="2h"),
    key_change("no ttl", ttl=None),
    key_change("a lower revision", revision=2),
    key_change("no revision", revision=None),
    key_change("a later expiry", expiresAt="2098-01-02T00:00:00Z"),
    key_change("no expiry", expiresAt=None),
    key_change("a label of nobodys", secretTemplate={"labels": {"a.io/b": "c"}}),
    new_key("a key without expiry", {"requireExpiry": True}),
    new_key("a key that is too long", {"maxTTL": "8760h"}, ttl="9000h"),
    new_key("a key too many", {"maxPerMember": 2}),
    PullRequest("a second organization", {"b.yaml": organization("b")}, 2),
    PullRequest("another organization", {A: {**ALICE, "spec": {**ALICE["spec"], "organization": "b"}}}, 2),
    PullRequest(
        "an owner is renamed",
        {"members/olga.yaml": None, "members/o.yaml": {**member("olga-b", "Owner"), "spec": OLGA["spec"]}},
        2,
    ),
    PullRequest(
        "an owner's second membership",
        {"members/o.yaml": {**member("olga-b", "Owner"), "spec": OLGA["spec"]}},
        2,
    ),
    PullRequest(
        "many labels",
        {
            K("laptop"): {
                **api_key("laptop", "alice"),
                "metadata": {"name": "laptop", "labels": {f"l{n}": "" for n in range(65)}},
            }
        },
        2,
    ),
    PullRequest(
        "a spent acknowledgement without visible difference",
        {A: with_role(ALICE, "Viewer", f" {BOTH} ")},
        2,
        base={A: with_role(ALICE, "Member", f" {BOTH} ")},
    ),
]
REFUSED = [one for one in (*PULL_REQUESTS, *MORE) if one.code == 2 and not one.elsewhere]


def judged(tmp_path: Path, given: PullRequest, before: Tree, after: Tree) -> dict[str, Any]:
    """What the command says of a commit, as JSON."""
    write(tmp_path / "base", before)
    write(tmp_path / "head", after)
    said = impact(
        tmp_path / "base", tmp_path / "head", "--namespace=acme", "--output=json", "--allow-empty", *given.options
    )
    assert said.code in (0, 2), said.text
    document: dict[str, Any] = json.loads(said.text)
    assert document["passes"] == (said.code == 0)
    return document


TWICE = [one for one in REFUSED if one.title in {"a second membership", "an owner's second membership"}]


@pytest.mark.parametrize(
    ("given", "renames"),
    [
        *(pytest.param(one, False, id=str(one)) for one in REFUSED),
        *(pytest.param(one, True, id=f"{one}, as a new name") for one in TWICE),
    ],
)
def test_advice_that_is_followed_passes(tmp_path: Path, given: PullRequest, *, renames: bool) -> None:
    before, commits, advice = given.before, [given.after], 0
    while commits:
        document = judged(tmp_path, given, before, commits[0])
        if document["passes"]:
            before, *commits = commits
            continue
        advice += 1
        assert advice < 8, f"the advice goes round in circles: {document}"
        commits[:1] = follow(before, commits[0], document, renames=renames)
    assert advice > 0
