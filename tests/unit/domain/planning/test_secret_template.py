"""A changed `secretTemplate` waits for the next token, and a condition says so."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.objects.builders import (
    NOW,
    api_key,
    edited,
    issued,
    membership,
    organization,
    secret_facts,
    token_of,
    with_status,
)
from tenure.domain.conditions import find_condition
from tenure.domain.planning.actions import UpdateStatus
from tenure.domain.planning.apikeys import plan_api_key
from tenure.domain.planning.key_status import issued_status, new_stamp
from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.reasons import STATES, ConditionType
from tenure.domain.resources import ApiKey, Organization
from tenure.domain.resources.apikey import ApiKeyStatus
from tenure.domain.resources.base import Condition, ConditionStatus
from tenure.domain.secret import is_adoptable

MEMBER, ORG = membership(), organization(keys={"secretMetadataPrefixes": ["acme.io/"]})
STRICTER = organization(keys={"secretMetadataPrefixes": ["acme.io/team-"]})
TEAM: dict[str, Any] = {"labels": {"acme.io/team": "core"}}
OTHERS = {"labels": {"other.io/team": "core"}}
TYPE = ConditionType.SECRET_TEMPLATE_APPLIED


def _seen(key: ApiKey, org: Organization = ORG) -> ApiKeyObservation:
    return ApiKeyObservation(api_key=key, membership=MEMBER, organization=org, siblings=[key], now=NOW)


def _delivered(template: Mapping[str, Any] | None) -> ApiKey:
    """A key whose Secret was just written."""
    key, seen = api_key(secret_template=template), _seen(api_key(secret_template=template))
    stamp = new_stamp(seen, NOW)
    status = issued_status(seen, stamp, key_id="k" * 12, token_hash=token_of(key).hash, secret_uid="secret-1")
    return with_status(key, status)


def _planned(key: ApiKey, org: Organization = ORG) -> ApiKeyStatus:
    """The status of the key once its plan is carried out, which issues and revokes nothing."""
    for action in plan_api_key(_seen(key, org)).actions:
        assert isinstance(action, UpdateStatus)
        assert isinstance(action.status, ApiKeyStatus)
        key = with_status(key, action.status)
    assert plan_api_key(_seen(key, org)).actions == ()
    return key.status


def _shown(key: ApiKey, org: Organization = ORG) -> Condition | None:
    return find_condition(_planned(key, org).conditions, TYPE)


ROWS = {
    "no template": (_delivered(None), ORG, None),
    "a template that sets nothing": (_delivered(OTHERS), ORG, None),
    "a template": (_delivered(TEAM), ORG, "Applied"),
    "another template": (edited(_delivered(TEAM), secretTemplate={"labels": {"acme.io/team": "web"}}), ORG, "waits"),
    "a label became an annotation": (
        edited(_delivered(TEAM), secretTemplate={"annotations": TEAM["labels"]}),
        ORG,
        "waits",
    ),
    "a template was added": (edited(_delivered(None), secretTemplate=TEAM), ORG, "waits"),
    "a template that sets nothing was added": (edited(_delivered(None), secretTemplate=OTHERS), ORG, None),
    "the template was removed": (edited(_delivered(TEAM), secretTemplate=None), ORG, "waits"),
    "the organization allows it no longer": (_delivered(TEAM), STRICTER, "waits"),
    "another name for the token": (_delivered({"tokenKey": "API_KEY"}), ORG, "Applied"),
    "another name was added": (edited(_delivered(TEAM), secretTemplate={**TEAM, "tokenKey": "API_KEY"}), ORG, "waits"),
    "another name was removed": (edited(_delivered({"tokenKey": "API_KEY"}), secretTemplate=None), ORG, "waits"),
    "suspended": (edited(_delivered(TEAM), suspended=True), ORG, "Applied"),
    "suspended, another template": (edited(_delivered(TEAM), suspended=True, secretTemplate=None), ORG, "waits"),
    "from a version that didn't record it": (issued(api_key(secret_template=TEAM), MEMBER, ORG), ORG, None),
}


@pytest.mark.parametrize(("key", "org", "wanted"), [pytest.param(*row, id=name) for name, row in ROWS.items()])
def test_a_condition_says_whether_the_secret_has_its_template(
    key: ApiKey, org: Organization, wanted: str | None
) -> None:
    condition = _shown(key, org)
    assert (condition and condition.reason) == ("AwaitingNextToken" if wanted == "waits" else wanted)
    if condition is not None:
        assert (condition.status is ConditionStatus.TRUE) is (wanted == "Applied")
        assert ("set spec.rotation.request to 1" in condition.message) is (wanted == "waits")
    assert find_condition(_planned(key, org).conditions, ConditionType.STALLED) is None


def test_every_reason_of_the_table_is_reached() -> None:
    reached = {(found.status, found.reason) for key, org, _ in ROWS.values() if (found := _shown(key, org))}
    assert reached == {(state.status, state.reason) for state in STATES if state.type is TYPE}


def test_the_condition_goes_with_the_token_and_comes_with_the_next() -> None:
    changed = edited(_delivered(TEAM), secretTemplate=None)
    waits = with_status(changed, _planned(changed))
    expired = edited(waits, expiresAt="2027-02-01T00:00:00Z")
    *_, action = plan_api_key(_seen(expired)).actions
    assert isinstance(action, UpdateStatus)
    assert find_condition(action.status.conditions, TYPE) is None

    later = replace(_seen(edited(waits, secretTemplate=TEAM)), now=NOW + timedelta(hours=1))
    stamp = new_stamp(later, later.now)
    status = issued_status(later, stamp, key_id="n" * 12, token_hash="sha256:x", secret_uid="secret-2")
    applied = find_condition(status.conditions, TYPE)
    assert applied is not None
    assert (applied.reason, applied.last_transition_time) == ("Applied", later.now)


def test_a_secret_of_another_template_is_not_adopted_after_a_crash() -> None:
    """Its token never worked, so another Secret costs nobody anything."""
    crashed = _delivered(TEAM)
    facts = secret_facts(crashed)
    now = with_status(crashed, ApiKeyStatus())
    assert is_adoptable(facts, now, new_stamp(_seen(now), NOW))
    changed = edited(now, secretTemplate=None)
    assert not is_adoptable(facts, changed, new_stamp(_seen(changed), NOW))
