"""An organization's rules for keys, as whoever creates or changes one meets them."""

from collections.abc import Mapping
from typing import Any

import pytest

from support.objects import manifests
from support.objects.builders import NOW, api_key, edited, issued, membership, organization
from support.objects.evidence import judged
from tenure.domain.admission.verdict import Judgement
from tenure.domain.installation import DEFAULTS, Installation, Limits
from tenure.domain.resources import ApiKey
from tenure.domain.resources.base import format_time
from tenure.domain.resources.membership import MembershipStatus

Body = manifests.Body

ALICE, ACME = membership(), organization()
PAST, FAR = "2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z"

ENDLESS = (
    "spec: Keys of this organization must expire (keys.requireExpiry). Set spec.expiresAt, or spec.ttl in a new ApiKey."
)
TOO_LONG = (
    "spec: The key would be valid for longer than 24h, the organization's keys.maxTTL. Set an earlier spec.expiresAt, "
    "or create an ApiKey with a shorter spec.ttl."
)

UNROTATED = (
    "spec.rotation.every: Keys of this organization must be rotated at least every 720h (keys.rotateWithin). Set "
    "spec.rotation.every to that or less."
)

LIVES: Mapping[str, tuple[Body, Body, str | None]] = {
    "endless, no rule": ({}, {}, None),
    "endless, requireExpiry": (
        {"requireExpiry": True},
        {},
        ENDLESS,
    ),
    "endless, maxTTL": ({"maxTTL": "24h"}, {}, None),
    "ttl, requireExpiry": ({"requireExpiry": True}, {"ttl": "1h"}, None),
    "expiresAt, requireExpiry": ({"requireExpiry": True}, {"expiresAt": FAR}, None),
    "ttl as long as maxTTL": ({"maxTTL": "24h"}, {"ttl": "1440m"}, None),
    "ttl a second longer than maxTTL": (
        {"maxTTL": "24h"},
        {"ttl": "24h1s"},
        TOO_LONG,
    ),
    "expiresAt beyond maxTTL": (
        {"maxTTL": "24h"},
        {"expiresAt": FAR},
        TOO_LONG,
    ),
    "expiresAt beyond maxTTL, with a short ttl": ({"maxTTL": "24h"}, {"expiresAt": FAR, "ttl": "1h"}, None),
    "expiresAt in the past": ({}, {"expiresAt": PAST}, None),
    "expiresAt in the past, beside maxTTL": ({"maxTTL": "24h"}, {"expiresAt": PAST}, None),
}

TEMPLATES: Mapping[str, tuple[list[str] | None, Body, str | None]] = {
    "no prefix": (None, {"labels": {"acme.io/team": "core"}}, "labels.acme.io/team"),
    "the prefix": (["acme.io/"], {"labels": {"acme.io/team": "core"}, "annotations": {"acme.io/x": "y"}}, None),
    "a prefix with a part of the name": (["acme.io/te"], {"labels": {"acme.io/team": "core"}}, None),
    "another prefix": (["acme.io/"], {"annotations": {"elsewhere.example/x": "y"}}, "annotations.elsewhere.example/x"),
    "no slash": (["acme.io/"], {"labels": {"team": "core"}}, "labels.team"),
    "several": (
        ["acme.io/"],
        {"labels": {"b": "1", "acme.io/a": "1"}, "annotations": {"c": "1"}},
        "annotations.c, labels.b",
    ),
    **{
        f"reserved {prefix}": ([prefix], {"labels": {f"{prefix}x": "y"}}, f"labels.{prefix}x")
        for prefix in ("velero.io/", "argocd.argoproj.io/", "tenure.dev/", "app.kubernetes.io/", "meta.helm.sh/")
    },
}


def named(name: str, holder: str = "alice", **spec: Any) -> Body:
    """A key's manifest that is created now."""
    body = manifests.api_key(name, holder, **spec)
    return {**body, "metadata": {**body["metadata"], "creationTimestamp": format_time(NOW)}}


def creation(body: Body, rules: Body, **facts: Any) -> Judgement:
    """What whoever may create it is answered."""
    facts = {"membership": ALICE, "organization": organization(keys=rules), **facts}
    return judged(ApiKey, new=body, **facts)


@pytest.mark.parametrize(("rules", "spec", "says"), LIVES.values(), ids=LIVES)
def test_a_new_key_lives_as_the_organization_allows(rules: Body, spec: Body, says: str | None) -> None:
    assert creation(named("laptop", **spec), rules).message == (says or "")


def test_a_key_of_nobody_or_of_no_organization_may_wait() -> None:
    body = named("laptop", expiresAt=PAST)
    assert creation(body, {"requireExpiry": True, "maxPerMember": 1}, membership=None).allowed
    assert creation(body, {}, organization=None).allowed


def test_a_rule_that_came_later_lets_the_keys_of_before_be_changed() -> None:
    acme = organization(keys={"requireExpiry": True, "maxTTL": "1h", "maxPerMember": 1})
    siblings = [issued(api_key(name), ALICE, ACME) for name in ("one", "two")]
    laptop = manifests.api_key("laptop", "alice")
    for spec in ({"suspended": True}, {"expiresAt": FAR}, {"expiresAt": PAST}):
        new = {**laptop, "spec": {**laptop["spec"], **spec}}
        assert judged(ApiKey, old=laptop, new=new, membership=ALICE, organization=acme, siblings=siblings).allowed


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("720h", None, UNROTATED),
        ("720h", "721h", UNROTATED),
        ("720h", "24h", ""),
        ("24h", "720h", ""),
        ("721h", None, ""),
        (None, None, ""),
        (None, "24h", ""),
    ],
)
def test_nobody_takes_the_rotation_from_a_key_that_the_organization_asks_for(
    old: str | None, new: str | None, says: str
) -> None:
    before, after = (
        manifests.api_key("laptop", "alice", **({"rotation": {"every": every}} if every else {}), description=text)
        for every, text in ((old, "old"), (new, "new"))
    )
    acme = organization(keys={"rotateWithin": "720h"})
    assert judged(ApiKey, old=before, new=after, membership=ALICE, organization=acme).message == says
    assert judged(ApiKey, old=before, new=after, membership=ALICE, organization=ACME).allowed


@pytest.mark.parametrize(
    ("role", "capabilities", "useless"),
    [
        ("Member", None, ""),
        ("Member", ["clusters", "costs"], ""),
        ("Owner", ["clusters", "billing", "costs", "organization", "members"], ""),
        ("Member", ["costs", "members"], "members"),
        ("Viewer", ["organization", "members"], "organization, members"),
    ],
)
def test_a_limit_to_what_the_role_does_not_give_is_warned_of(
    role: str, capabilities: list[str] | None, useless: str
) -> None:
    said = creation(named("laptop", capabilities=capabilities), {}, membership=membership(role=role))
    warning = f"spec.capabilities: the role {role} of alice gives no access to {useless}, so laptop has none either."
    assert said.warnings == ((warning,) if useless else ())
    assert said.allowed


def test_a_description_may_be_changed_at_any_time() -> None:
    laptop = manifests.api_key("laptop", "alice", description="old")
    for text in ("new", None):
        new = {**laptop, "spec": {**laptop["spec"], "description": text}}
        assert judged(ApiKey, old=laptop, new=new, membership=ALICE, organization=ACME) == Judgement()


HOLDERS = {"alice": "User", "bob": "User", "ci": "ServiceAccount"}


@pytest.mark.parametrize(("who", "kind"), HOLDERS.items())
def test_one_key_too_many_is_refused(who: str, kind: str) -> None:
    holder = membership(who, kind=kind)
    siblings = [issued(api_key(f"{who}-{number}", membership=who), holder, ACME) for number in range(2)]
    said = creation(named("more", who), {"maxPerMember": 2}, membership=holder, siblings=siblings)
    assert said.message == (
        f"spec.membership: {who} already has 2 keys, the organization's keys.maxPerMember. Delete one of them."
    )
    assert creation(named("more", who), {"maxPerMember": 2}, membership=holder, siblings=siblings[:1]).allowed
    assert creation(named("more", who), {}, membership=holder, siblings=siblings).allowed


def test_the_default_limit_holds_for_a_holder_and_only_warns_whoever_may_grant_the_role() -> None:
    holder = ALICE.model_copy(update={"status": MembershipStatus(key_count=100)})
    siblings = [issued(api_key(f"k{number}"), ALICE, ACME) for number in range(100)]

    def said(count: int = 100, **facts: Any) -> Judgement:
        return creation(named("more"), {}, membership=holder, siblings=siblings[:count], **facts)

    own: Body = {"username": "alice@acme.io", "grants": ()}
    assert said(99, **own).allowed
    assert said(**own).message.startswith("spec.membership: alice already has 100 keys, ")
    assert said().allowed
    assert said().warnings == (
        "alice has 100 working keys or more. The new one waits (QuotaExceeded) until others go.",
    )
    assert creation(named("more"), {}).warnings == ()


def test_a_holder_has_a_limited_number_of_keys_that_dont_work() -> None:
    """They don't count toward the limit, but the API server stores them, and every program lists them."""
    idle = [api_key(f"k{number}", for_role="Owner") for number in range(102)]
    own: Body = {"username": "alice@acme.io", "grants": ()}
    assert creation(named("more"), {"maxPerMember": 2}, siblings=idle[:101], **own).allowed
    said = creation(named("more"), {"maxPerMember": 2}, siblings=idle, **own)
    assert said.message == (
        "spec.membership: alice already has 102 ApiKeys, and at most 102 are allowed, including those that don't work. "
        "Delete those that you no longer need."
    )
    assert creation(named("more"), {"maxPerMember": 2}, siblings=idle).allowed


def test_a_key_that_ended_takes_no_slot() -> None:
    over = issued(api_key("short", ttl="1s"), ALICE, ACME, secret_uid=None, reason="Expired")
    assert creation(named("next"), {"maxPerMember": 1}, siblings=[over]).allowed
    assert not creation(named("next"), {"maxPerMember": 1}, siblings=[issued(api_key("long"), ALICE, ACME)]).allowed


@pytest.mark.parametrize(("prefixes", "template", "says"), TEMPLATES.values(), ids=TEMPLATES)
def test_a_key_puts_on_its_secret_what_the_organization_allows(
    prefixes: list[str] | None, template: Body, says: str | None
) -> None:
    rules = {"secretMetadataPrefixes": prefixes} if prefixes else {}
    allowed = f"names that start with {prefixes[0]}" if prefixes and "acme" in prefixes[0] else "no names"
    words = (
        f"spec.secretTemplate.{says}: the Organization allows {allowed} (spec.keys.secretMetadataPrefixes). "
        "Remove the other labels and annotations."
    )
    body = named("laptop", secretTemplate=template)
    assert creation(body, rules).message == (words if says else "")
    changed = judged(ApiKey, old=named("laptop"), new=body, membership=ALICE, organization=organization(keys=rules))
    assert changed.message == (words if says else "")
    stays = judged(ApiKey, old=body, new={**body, "spec": {**body["spec"], "revision": 2}}, membership=ALICE)
    assert stays.allowed


def test_all_that_is_wrong_with_a_key_is_said_at_once() -> None:
    rules = {"maxPerMember": 1, "requireExpiry": True, "secretMetadataPrefixes": ["acme.io/"]}
    body = named("more", secretTemplate={"labels": {"team": "core"}})
    said = creation(body, rules, siblings=[issued(api_key("laptop", ttl="1h", created=NOW), ALICE, ACME, at=NOW)])
    fields = [refusal.partition(": ")[0] for refusal in said.refusals]
    assert fields == ["spec.secretTemplate.labels.team", "spec", "spec.membership"]


def test_whoever_may_not_touch_a_key_learns_nothing_of_the_rules() -> None:
    rules = {"maxPerMember": 1, "requireExpiry": True}
    body = named("more", secretTemplate={"labels": {"team": "core"}})
    (refusal,) = creation(body, rules, grants=()).refusals
    assert refusal.startswith("spec.membership: root@elsewhere.example lacks grant-member on ")


LIMITS = Installation(limits=Limits.parse("maxTTL=24h,maxPerMember=2,requireExpiry=true"))
POLICIES: Mapping[str, tuple[Body, str, int]] = {
    "says nothing": ({}, "24h", 2),
    "is looser": ({"maxTTL": "8760h", "maxPerMember": 50, "requireExpiry": False}, "24h", 2),
    "is stricter": ({"maxTTL": "1h", "maxPerMember": 1, "requireExpiry": True}, "1h", 1),
    "says the same in other words": ({"maxTTL": "1440m", "maxPerMember": 2}, "1440m", 2),
    "is stricter in one thing": ({"maxTTL": "30m", "maxPerMember": 9}, "30m", 2),
}


@pytest.mark.parametrize(("own", "longest", "most"), POLICIES.values(), ids=POLICIES)
def test_of_an_installations_limits_and_an_organizations_the_stricter_hold(own: Body, longest: str, most: int) -> None:
    def said(siblings: int = 0, **spec: Any) -> str:
        keys = [issued(api_key(f"key-{number}", ttl="1h"), ALICE, ACME) for number in range(siblings)]
        return creation(named("new", **spec), own, siblings=keys, installation=LIMITS).message

    assert said().startswith("spec: Keys of this organization must expire (keys.requireExpiry). ")
    assert said(ttl="24h1s").startswith(f"spec: The key would be valid for longer than {longest}, ")
    assert said(most - 1, ttl=longest) == ""
    assert said(most, ttl="1m").startswith(f"spec.membership: alice already has {most} key")
    assert LIMITS.policy(organization(keys=own)).max_ttl == longest


WORKING = issued(api_key(), ALICE, ACME)
TOKEN = f"the token {WORKING.status.key_id} of ci-deploy stops working immediately"
CHANGES: Mapping[str, tuple[Body, str | None]] = {
    "a new revision": ({"revision": 2}, f"spec.revision: {TOKEN}, and Tenure issues a new one in the same Secret."),
    "for another role": ({"forRole": "Viewer"}, None),
    "for this role": ({"forRole": "Member"}, None),
    "a suspension": ({"suspended": True}, None),
}


@pytest.mark.parametrize(
    ("at", "warns"), [(PAST, True), ("1970-01-01T00:00:00Z", True), (FAR, False), (None, False)], ids=str
)
def test_b_30_a_key_of_a_backup_that_has_expired_passes_with_a_warning(at: str | None, warns: bool) -> None:  # noqa: FBT001
    body = manifests.api_key("laptop", "alice", expiresAt=at)
    answer = judged(ApiKey, new=body, membership=ALICE, installation=DEFAULTS)
    assert answer.allowed
    words = (
        f"spec.expiresAt: {at} is in the past, so laptop gets no token. To get one, delete the ApiKey and create it "
    )
    assert answer.warnings == ((f"{words}with a later time.",) if warns else ())


@pytest.mark.parametrize(
    ("old", "new", "warns"),
    [({"suspended": True}, {}, True), ({"suspended": True}, {"suspended": False}, True), ({}, {}, False)],
    ids=["taken out", "false", "never suspended"],
)
def test_lifting_a_suspension_passes_with_a_warning(old: Body, new: Body, warns: bool) -> None:  # noqa: FBT001
    bodies = [manifests.api_key("laptop", "alice", revision=number, **spec) for number, spec in ((1, old), (2, new))]
    answer = judged(ApiKey, old=bodies[0], new=bodies[1], membership=ALICE, installation=DEFAULTS)
    words = "spec.suspended: the suspension of laptop is lifted. It works again unless something else stops it."
    assert (answer.allowed, answer.warnings) == (True, (words,) if warns else ())


@pytest.mark.parametrize(("spec", "said"), CHANGES.values(), ids=CHANGES)
def test_a_change_that_ends_a_token_passes_with_a_warning(spec: Body, said: str | None) -> None:
    bodies = []
    for key in (WORKING, edited(WORKING, **spec)):
        parts = {
            part: getattr(key, part).model_dump(by_alias=True, mode="json", exclude_none=True)
            for part in ("spec", "status")
        }
        bodies.append({**manifests.api_key(key.name, "alice"), **parts})
    answer = judged(ApiKey, old=bodies[0], new=bodies[1], membership=ALICE, installation=DEFAULTS)
    assert (answer.allowed, answer.warnings) == (True, (said,) if said else ())
