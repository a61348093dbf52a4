"""Changes to a repository of manifests, as pull requests bring them: what was there, and what is different."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from support.objects.manifests import api_key, marked, member, organization, service_account
from tenure.domain.admission.acknowledgement import ANNOTATION

Body = dict[str, Any]
Tree = Mapping[str, Body]
"""Manifests by the names of their files."""

DENY = [{"from": "Viewer", "to": "Owner"}, {"from": "None", "to": "Analyst"}]


def acme(when_keys_exist: str = "RequireAcknowledgement", **spec: Any) -> Body:
    """The organization, which asks for acknowledgements unless said otherwise."""
    rules = {"whenKeysExist": when_keys_exist, "deny": DENY}
    return organization(allowedEmailDomains=["acme.io"], roleChanges=rules, **spec)


def with_role(body: Body, role: str, acknowledgement: str | None = None) -> Body:
    """A Membership's manifest with another role, and the acknowledging annotation."""
    changed = {**body, "spec": {**body["spec"], "role": role}}
    return changed if acknowledgement is None else marked(changed, annotations={ANNOTATION: acknowledgement})


OLGA, OTTO, ALICE = member("olga", "Owner"), member("otto", "Owner"), member("alice")
BOB, CI = member("bob", "Viewer"), service_account("ci")
CI_DEPLOY, LAPTOP = api_key("ci-deploy", "alice", ttl="2160h"), api_key("laptop", "alice")
PIPELINE = api_key("pipeline", "ci")

BASE: Tree = {
    "acme.yaml": acme(),
    "members/olga.yaml": OLGA,
    "members/alice.yaml": ALICE,
    "members/bob.yaml": BOB,
    "members/ci.yaml": CI,
    "keys/ci-deploy.yaml": CI_DEPLOY,
    "keys/laptop.yaml": LAPTOP,
    "keys/pipeline.yaml": PIPELINE,
}
NINE = {f"keys/key-{number}.yaml": api_key(f"key-{number}", "bob") for number in range(1, 10)}
BOTH = "Viewer: ci-deploy, laptop"
VIEWER = with_role(ALICE, "Viewer")


def approved(key: Body, role: str) -> Body:
    """An ApiKey's manifest, approved for a role."""
    return {**key, "spec": {**key["spec"], "forRole": role}}


def handed(key: Body, membership: str, **spec: Any) -> Body:
    """An ApiKey's manifest that names another member."""
    return {**key, "spec": {**key["spec"], "membership": membership, **spec}}


@dataclass(frozen=True)
class PullRequest:
    """What a pull request changes, and what `tenure impact` is to say of it in short."""

    title: str
    head: Mapping[str, Body | None]
    """The files that differ; None: it is removed."""

    code: int
    """The exit code."""

    base: Mapping[str, Body | None] = field(default_factory=dict)
    """Where the repository isn't as `BASE`."""

    options: Sequence[str] = ()
    keys_first: bool = False
    """Whether the keys' files are applied before the members'."""

    elsewhere: Sequence[Body] = ()
    """What the cluster has and the repository hasn't."""

    allow_empty: bool = False
    """Whether the command is told that a tree may be empty."""

    def __str__(self) -> str:
        return self.title

    @property
    def slug(self) -> str:
        """Its title as a file's name."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.title.lower()).split())

    @property
    def before(self) -> Tree:
        """The repository before."""
        return _present({**BASE, **self.base})

    @property
    def after(self) -> Tree:
        """The repository after."""
        return _present({**self.before, **self.head})


def write(folder: Path, tree: Tree) -> None:
    """Make a folder's manifests these, and no others."""
    folder.mkdir(exist_ok=True)
    for file in folder.rglob("*.yaml"):
        file.unlink()
    for name, body in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(yaml.safe_dump(body, sort_keys=False))


def _present(tree: Mapping[str, Body | None]) -> Tree:
    return {name: body for name, body in tree.items() if body is not None}


A, B, K = "members/alice.yaml", "members/bob.yaml", "keys/{}.yaml".format
PULL_REQUESTS = [
    PullRequest("a role changes and there are no keys", {B: with_role(BOB, "Member")}, 0),
    PullRequest("keys are not acknowledged", {A: VIEWER}, 2),
    PullRequest("keys are acknowledged", {A: with_role(ALICE, "Viewer", BOTH)}, 0),
    PullRequest("one key is not acknowledged", {A: with_role(ALICE, "Viewer", "Viewer: laptop")}, 2),
    PullRequest("another role is acknowledged", {A: with_role(ALICE, "Viewer", "Analyst: ci-deploy, laptop")}, 2),
    PullRequest(
        "the acknowledgement is spent",
        {A: with_role(ALICE, "Viewer", BOTH)},
        2,
        base={A: with_role(ALICE, "Member", BOTH)},
    ),
    PullRequest("nine keys by their number", {B: with_role(BOB, "Member", "Member: all 9")}, 0, base=NINE),
    PullRequest("nine keys by a wrong number", {B: with_role(BOB, "Member", "Member: all 8")}, 2, base=NINE),
    PullRequest("one key is approved for the new role", {A: VIEWER, K("laptop"): approved(LAPTOP, "Viewer")}, 2),
    PullRequest(
        "all keys are approved and acknowledged",
        {
            A: with_role(ALICE, "Viewer", BOTH),
            K("laptop"): approved(LAPTOP, "Viewer"),
            K("ci-deploy"): approved(CI_DEPLOY, "Viewer"),
        },
        0,
    ),
    PullRequest(
        "a key waits for the new role",
        {A: with_role(ALICE, "Viewer", BOTH)},
        0,
        base={K("next"): api_key("next", "alice", forRole="Viewer")},
    ),
    PullRequest("a key goes with the role", {A: VIEWER, K("laptop"): None}, 2),
    PullRequest("a suspended key", {A: VIEWER}, 2, base={K("laptop"): api_key("laptop", "alice", suspended=True)}),
    PullRequest("a member goes with the keys", {A: None, K("laptop"): None, K("ci-deploy"): None}, 0),
    PullRequest("a member goes and keys stay", {A: None}, 0),
    PullRequest("a service account goes", {"members/ci.yaml": None, K("pipeline"): None}, 0),
    PullRequest("the last owner goes", {"members/olga.yaml": None}, 2),
    PullRequest("the last owner steps down", {"members/olga.yaml": with_role(OLGA, "Member")}, 2),
    PullRequest(
        "one of two owners steps down",
        {"members/olga.yaml": with_role(OLGA, "Member")},
        0,
        base={"members/otto.yaml": OTTO},
    ),
    PullRequest("an owner hands over", {"members/a-new.yaml": OTTO, "members/olga.yaml": with_role(OLGA, "Member")}, 0),
    PullRequest("a denied transition", {B: with_role(BOB, "Owner")}, 2),
    PullRequest("a new member", {"members/nora.yaml": member("nora")}, 0),
    PullRequest("a new member with a denied role", {"members/nora.yaml": member("nora", "Analyst")}, 2),
    PullRequest(
        "a new member of another domain",
        {"members/sam.yaml": {**member("sam"), "spec": {**BOB["spec"], "subject": {"kind": "User", "name": "s@x.io"}}}},
        2,
    ),
    PullRequest("a second membership", {"members/alice-2.yaml": {**member("alice-2"), "spec": ALICE["spec"]}}, 2),
    PullRequest("a service accounts role", {"members/ci.yaml": with_role(CI, "Analyst")}, 0),
    PullRequest(
        "a service accounts key that was approved",
        {"members/ci.yaml": with_role(CI, "Analyst")},
        2,
        base={K("nightly"): api_key("nightly", "ci", forRole="Member")},
    ),
    PullRequest("another subject", {A: {**ALICE, "spec": {**ALICE["spec"], "subject": BOB["spec"]["subject"]}}}, 2),
    PullRequest("the organization goes with everything", dict.fromkeys(BASE), 0, allow_empty=True),
    PullRequest("the organization goes and its members stay", {"acme.yaml": None}, 2),
    PullRequest(
        "a protected organization goes", {"acme.yaml": None}, 2, base={"acme.yaml": acme(deletionProtection=True)}
    ),
    PullRequest("keys under Warn", {A: VIEWER}, 2, base={"acme.yaml": acme("Warn")}),
    PullRequest(
        "keys acknowledged under Warn", {A: with_role(ALICE, "Viewer", BOTH)}, 0, base={"acme.yaml": acme("Warn")}
    ),
    PullRequest("keys under Deny", {A: with_role(ALICE, "Viewer", BOTH)}, 2, base={"acme.yaml": acme("Deny")}),
    PullRequest(
        "all keys are approved under Deny",
        {A: VIEWER, K("laptop"): approved(LAPTOP, "Viewer"), K("ci-deploy"): approved(CI_DEPLOY, "Viewer")},
        0,
        base={"acme.yaml": acme("Deny")},
        keys_first=True,
    ),
    PullRequest("the rule comes with the change", {A: VIEWER, "acme.yaml": acme("Warn")}, 2),
    PullRequest(
        "the organization is somewhere else",
        {A: VIEWER},
        2,
        base={"acme.yaml": None},
        options=("--when-keys-exist", "RequireAcknowledgement"),
        elsewhere=(acme(),),
    ),
    PullRequest(
        "the installation is stricter",
        {A: VIEWER},
        2,
        base={"acme.yaml": acme("Warn")},
        options=("--limits", "whenKeysExist=RequireAcknowledgement"),
        elsewhere=(acme(),),
    ),
    PullRequest(
        "a member is renamed",
        {
            A: None,
            "members/alice-b.yaml": {**member("alice-b"), "spec": ALICE["spec"]},
            K("laptop"): api_key("laptop", "alice-b"),
            K("ci-deploy"): None,
        },
        2,
    ),
    PullRequest("a key is handed over", {K("ci-deploy"): handed(CI_DEPLOY, "ci")}, 0),
    PullRequest(
        "a key is handed over to a new member",
        {"members/bot.yaml": service_account("bot", "Viewer"), K("ci-deploy"): handed(CI_DEPLOY, "bot")},
        0,
    ),
    PullRequest(
        "a key is handed over without an overlap",
        {K("ci-deploy"): handed(CI_DEPLOY, "ci")},
        0,
        base={"acme.yaml": acme(keys={"defaultOverlap": "0s"})},
    ),
    PullRequest("a key is handed over and revoked", {K("ci-deploy"): handed(CI_DEPLOY, "ci", revision=2)}, 0),
    PullRequest("a key is handed over with the role", {A: VIEWER, K("ci-deploy"): handed(CI_DEPLOY, "ci")}, 2),
    PullRequest(
        "a key is handed over with the role and acknowledged",
        {A: with_role(ALICE, "Viewer", BOTH), K("ci-deploy"): handed(CI_DEPLOY, "ci")},
        0,
    ),
    PullRequest(
        "a key is handed over and its member goes",
        {A: None, K("laptop"): None, K("ci-deploy"): handed(CI_DEPLOY, "ci")},
        0,
    ),
    PullRequest(
        "a service accounts key is handed over with its role",
        {"members/ci.yaml": with_role(CI, "Viewer"), K("pipeline"): handed(PIPELINE, "alice")},
        0,
    ),
    PullRequest("a key is rotated", {K("laptop"): api_key("laptop", "alice", revision=2)}, 0),
    PullRequest("a key is suspended", {K("laptop"): api_key("laptop", "alice", suspended=True)}, 0),
    PullRequest("a keys access changes", {K("laptop"): {**LAPTOP, "spec": {**LAPTOP["spec"], "access": "View"}}}, 2),
    PullRequest("a member is suspended", {"acme.yaml": acme(suspendedMembers=[{"name": "alice"}])}, 0),
    PullRequest("nothing of interest", {"notes.yaml": {"kind": "ConfigMap"}}, 0),
]
