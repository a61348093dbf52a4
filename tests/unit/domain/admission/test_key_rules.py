"""What an organization's rules say against a key, and what a change does to its token."""

from datetime import timedelta
from typing import Any

import pytest

from support.objects.builders import CREATED, NOW, api_key, edited, issued, membership, organization, rotated
from tenure.domain.admission.key_rules import (
    expiry_refusal,
    overlap_warning,
    period_warning,
    quota_refusal,
    template_refusals,
    token_warning,
)
from tenure.domain.admission.request import Change
from tenure.domain.installation import DEFAULTS, Installation, Limits
from tenure.domain.operations import Operation
from tenure.domain.permissions import Requester
from tenure.domain.resources import ApiKey
from tenure.domain.resources.base import format_time

ALICE, ACME = membership(), organization(keys={"secretMetadataPrefixes": ["acme.io/"]})


def changed(old: ApiKey | None, new: ApiKey | None) -> Change[ApiKey]:
    """A change of a key; what is judged here rests on the models alone."""
    return Change(Operation.UPDATE, Requester(username="root"), "acme", old, new, {}, {})


def templated(labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None) -> ApiKey:
    return api_key(secret_template={"labels": labels, "annotations": annotations})


def test_only_names_with_a_prefix_may_be_put_on_a_secret() -> None:
    key = templated({"acme.io/team": "core", "b": "1", "velero.io/x": "1"}, {"a": "1", "acme.io/ok": "2"})
    (said,) = template_refusals(changed(None, key), ACME)
    assert said == (
        "spec.secretTemplate.annotations.a, labels.b, labels.velero.io/x: the Organization allows names "
        "that start with acme.io/ (spec.keys.secretMetadataPrefixes). Remove the other labels and annotations."
    )


@pytest.mark.parametrize("acme", [organization(), organization(keys={}), None], ids=["no rules", "empty rules", "none"])
def test_without_prefixes_nothing_may(acme: Any) -> None:
    (said,) = template_refusals(changed(None, templated({"acme.io/team": "core"})), acme)
    assert said.startswith("spec.secretTemplate.labels.acme.io/team: the Organization allows no names ")


def test_what_was_there_may_stay_change_its_value_and_go() -> None:
    old = templated({"a": "1", "b": "1"})
    for labels in ({"a": "1", "b": "1"}, {"a": "2", "b": "1"}, {"a": "1"}, {}, None):
        assert list(template_refusals(changed(old, templated(labels)), ACME)) == []
    assert list(template_refusals(changed(old, api_key()), ACME)) == []
    assert list(template_refusals(changed(old, None), ACME)) == []
    (said,) = template_refusals(changed(old, templated({"a": "1"}, {"a": "1"})), ACME)
    assert "annotations.a:" in said


@pytest.mark.parametrize(
    ("labels", "annotations", "field"),
    [
        ({"acme.io/tier": "gold plus"}, {}, "labels.acme.io/tier: the value 'gold plus' isn't a label's"),
        ({"acme.io/tier": "-x"}, {}, "labels.acme.io/tier: the value '-x' isn't"),
        ({"acme.io/a b": "x"}, {}, "labels.acme.io/a b: 'a b' isn't a name"),
        ({"acme.io/" + "x" * 64: "x"}, {}, "isn't a name"),
        ({"acme.io/": "x"}, {}, "labels.acme.io/: '' isn't a name"),
        ({"Acme.io/a": "x"}, {}, "labels.Acme.io/a: 'Acme.io' isn't a DNS name"),
        ({"acme.io/a/b": "x"}, {}, "labels.acme.io/a/b: 'acme.io/a' isn't a DNS name"),
        ({}, {"acme.io/a b": "x"}, "annotations.acme.io/a b: 'a b' isn't a name"),
        ({}, {"acme.io/note": "gold plus, since 2027"}, ""),
        ({"acme.io/tier": "", "acme.io/x": "A.b-c_9"}, {}, ""),
        ({"acme.io/tier": "x" * 63}, {}, ""),
    ],
    ids=str,
)
def test_a_template_is_judged_by_kubernetes_own_rules(
    labels: dict[str, str], annotations: dict[str, str], field: str
) -> None:
    new = templated(labels, annotations)
    said = list(template_refusals(changed(api_key(), new), ACME))
    assert bool(said) is bool(field)
    assert field in "".join(said)
    assert list(template_refusals(changed(new, new), ACME)) == [], "what is there already stays"


def test_a_new_key_ends_as_soon_as_the_rules_say() -> None:
    strict = organization(keys={"requireExpiry": True, "maxTTL": "24h"})
    key = api_key(ttl="24h", created=NOW)
    assert expiry_refusal(key, strict, NOW, DEFAULTS) is None
    past = api_key(expires_at=format_time(NOW - timedelta(seconds=1)), created=NOW)
    assert expiry_refusal(past, organization(), NOW, DEFAULTS) is None
    assert "keys.requireExpiry" in str(expiry_refusal(api_key(created=NOW), strict, NOW, DEFAULTS))
    assert "longer than 24h" in str(expiry_refusal(api_key(ttl="25h", created=NOW), strict, NOW, DEFAULTS))
    limited = Installation(limits=Limits(max_ttl="1h"))
    assert "longer than 1h" in str(expiry_refusal(key, strict, NOW, limited))


def test_a_new_key_is_one_too_many_where_the_member_has_as_many_as_allowed() -> None:
    acme = organization(keys={"maxPerMember": 2})
    siblings = [issued(api_key(name), ALICE, acme) for name in ("one", "two")]

    def refusal(siblings: list[ApiKey], installation: Installation = DEFAULTS) -> str | None:
        return quota_refusal(api_key(), ALICE, acme, siblings=siblings, now=NOW, installation=installation)

    assert refusal(siblings[:1]) is None
    assert str(refusal(siblings)).startswith("spec.membership: alice already has 2 keys, ")
    assert refusal([siblings[0], issued(api_key("gone", deleting=True), ALICE, acme)]) is None
    older, younger = (api_key("next", created=CREATED + timedelta(seconds=after)) for after in (-1, 1))
    assert refusal([siblings[0], older]) is not None
    assert refusal([siblings[0], younger]) is None
    assert str(refusal(siblings[:1], Installation(limits=Limits(max_per_member=1)))).startswith("spec.membership: ")


WORKING = issued(api_key(), ALICE, ACME)
TOKEN = f"the token {WORKING.status.key_id} of ci-deploy stops working immediately"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"revision": 2}, f"spec.revision: {TOKEN}, and Tenure issues a new one in the same Secret."),
        (
            {"revision": 2, "forRole": "Viewer"},
            f"spec.revision: {TOKEN}, and Tenure issues a new one in the same Secret.",
        ),
        ({"forRole": "Viewer"}, None),
        ({"forRole": "Member"}, None),
        ({"suspended": True}, None),
        ({}, None),
    ],
    ids=str,
)
def test_a_change_that_ends_a_token_says_so(spec: dict[str, Any], said: str | None) -> None:
    assert token_warning(changed(WORKING, edited(WORKING, **spec)), ALICE) == said


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("Viewer", f"spec.forRole: {TOKEN}. Tenure issues a new one once ci has the role Viewer."),
        ("Member", f"spec.forRole: {TOKEN}, and Tenure issues a new one in the same Secret."),
    ],
)
def test_approving_a_key_that_survived_a_role_change_ends_its_token(role: str, said: str) -> None:
    ci = membership("ci", kind="ServiceAccount", generation=3)
    key = issued(api_key(membership="ci"), ci, ACME, membership_generation=2)
    current = issued(api_key(membership="ci"), ci, ACME)
    assert token_warning(changed(key, edited(key, forRole=role)), ci) == said
    assert token_warning(changed(current, edited(current, forRole=role)), ci) is None


def test_a_key_without_a_token_loses_none() -> None:
    waiting = api_key()
    assert token_warning(changed(waiting, edited(waiting, revision=2)), ALICE) is None
    assert token_warning(changed(None, WORKING), ALICE) is None
    assert token_warning(changed(WORKING, None), ALICE) is None
    assert token_warning(changed(WORKING, edited(WORKING, revision=2)), None) is None


def test_a_higher_revision_names_the_former_token_too() -> None:
    key = rotated(WORKING, former="F" * 12)
    said = token_warning(changed(key, edited(key, revision=2)), ALICE)
    assert said is not None
    assert f"{key.status.key_id} and {'F' * 12} of ci-deploy stop working immediately, and" in said
    used = rotated(WORKING, former="F" * 12, former_used_at=NOW)
    said = token_warning(changed(used, edited(used, revision=2)), ALICE)
    assert said is not None
    assert "immediately (former token last seen in use at 2027-02-22T08:30:00Z), and" in said


@pytest.mark.parametrize(
    ("overlap", "keys", "installation", "most"),
    [
        pytest.param("169h", None, DEFAULTS, "168h", id="more than the default limit"),
        pytest.param("25h", {"maxOverlap": "24h"}, DEFAULTS, "24h", id="more than the organization allows"),
        pytest.param("7h", None, Installation(limits=Limits(max_overlap="6h")), "6h", id="more than the installation"),
        pytest.param("24h", {"maxOverlap": "24h"}, DEFAULTS, None, id="as much"),
        pytest.param(None, {"maxOverlap": "0s"}, DEFAULTS, None, id="nothing asked"),
    ],
)
def test_an_overlap_beyond_a_limit_is_told(
    overlap: str | None, keys: dict[str, str] | None, installation: Installation, most: str | None
) -> None:
    key = edited(WORKING, rotation={"overlap": overlap})
    said = overlap_warning(changed(WORKING, key), organization(keys=keys), installation)
    assert (said is None) == (most is None)
    assert most is None or f"valid for {most} (maxOverlap)" in str(said)
    assert overlap_warning(changed(key, key), organization(keys=keys), installation) is None


@pytest.mark.parametrize(
    ("rotation", "keys", "installation", "warns"),
    [
        pytest.param({"every": "1h"}, None, DEFAULTS, True, id="as long as the default"),
        pytest.param({"every": "2h"}, None, DEFAULTS, False, id="longer than the default"),
        pytest.param({"every": "20h"}, {"defaultOverlap": "24h"}, DEFAULTS, True, id="shorter than the organization's"),
        pytest.param({"every": "20h", "overlap": "1h"}, {"defaultOverlap": "24h"}, DEFAULTS, False, id="its own"),
        pytest.param(
            {"every": "20h"}, {"defaultOverlap": "24h", "maxOverlap": "2h"}, DEFAULTS, False, id="the limit is shorter"
        ),
        pytest.param(
            {"every": "20h"},
            {"defaultOverlap": "24h"},
            Installation(limits=Limits(max_overlap="6h")),
            False,
            id="the installation's limit is shorter",
        ),
        pytest.param({"request": 1}, {"defaultOverlap": "24h"}, DEFAULTS, False, id="on request only"),
    ],
)
def test_rotations_that_have_to_wait_for_each_other_are_told(
    rotation: dict[str, Any], keys: dict[str, str] | None, installation: Installation, *, warns: bool
) -> None:
    key, acme = edited(WORKING, rotation=rotation), organization(keys=keys)
    said = period_warning(changed(WORKING, key), acme, installation)
    assert (said is not None) is warns
    assert said is None or f"isn't shorter than {rotation['every']}" in said
    assert (period_warning(changed(None, key), acme, installation) is not None) is warns
    assert period_warning(changed(key, key), acme, installation) is None


def test_a_new_key_has_to_be_rotated_as_often_as_the_organization_asks() -> None:
    acme = organization(keys={"rotateWithin": "720h"})
    for every in (None, "721h"):
        said = expiry_refusal(edited(api_key(), rotation={"every": every}), acme, NOW, DEFAULTS)
        assert said is not None
        assert "keys.rotateWithin" in said
    assert expiry_refusal(edited(api_key(), rotation={"every": "720h"}), acme, NOW, DEFAULTS) is None
