"""What is done when the key's Secret isn't what was issued."""

from dataclasses import replace

import pytest

from support.objects.builders import (
    NOW,
    api_key,
    edited,
    issued,
    membership,
    organization,
    secret_facts,
    shown,
    token_of,
)
from tenure.domain.planning.actions import DeleteSecret, EmitEvent, EventType, Regarding
from tenure.domain.planning.apikeys import plan_api_key
from tenure.domain.planning.observation import ApiKeyObservation, SecretReading
from tenure.domain.resources import ApiKey
from tenure.domain.secret import SecretFacts

MEMBER, ORG = membership(), organization()
NEW = api_key()
LIVE = issued(NEW, MEMBER, ORG)
ENDED = issued(NEW, MEMBER, ORG, secret_uid=None, reason="Expired", role="Owner", membership_generation=0)
OURS = secret_facts(LIVE)
OTHER_TOKEN = token_of(api_key("other"))
FOREIGN = replace(OURS, uid="foreign", owner_uid=None, token=None, stamp=None)

FINE = ["UpdateStatus Issued"]
REPLACED = ["DeleteSecret", "IssueToken", "EmitEvent SecretReplaced"]
CREATED = ["IssueToken", "EmitEvent SecretReplaced"]


def _seen(key: ApiKey, facts: SecretFacts | None) -> ApiKeyObservation:
    return ApiKeyObservation(
        api_key=key, membership=MEMBER, organization=ORG, siblings=[key], now=NOW, secret=SecretReading(facts)
    )


@pytest.mark.parametrize(
    ("facts", "actions", "word"),
    [
        pytest.param(OURS, FINE, "", id="as issued"),
        pytest.param(replace(OURS, owner_uid=None), FINE, "", id="owner stripped"),
        pytest.param(None, CREATED, "deleted", id="deleted"),
        pytest.param(replace(OURS, token=OTHER_TOKEN), REPLACED, "edited", id="another token"),
        pytest.param(replace(OURS, token=None), REPLACED, "edited", id="emptied"),
        pytest.param(replace(OURS, token=None, owner_uid=None), REPLACED, "edited", id="emptied, owner stripped"),
        pytest.param(FOREIGN, CREATED, "replaced by another Secret", id="foreign"),
        pytest.param(replace(FOREIGN, token=OURS.token), CREATED, "replaced by another Secret", id="foreign copy"),
        pytest.param(replace(OURS, uid="later"), CREATED, "edited", id="ours, created again"),
        pytest.param(replace(FOREIGN, owner_uid="another"), CREATED, "replaced by another Secret", id="of another key"),
    ],
)
def test_a_live_keys_secret_is_put_right(facts: SecretFacts | None, actions: list[str], word: str) -> None:
    plan = plan_api_key(_seen(LIVE, facts))
    assert shown(plan) == actions
    assert [action.uid for action in plan.actions if isinstance(action, DeleteSecret)] == (
        [LIVE.status.secret_uid] if actions is REPLACED else []
    )
    notes = [action.note for action in plan.actions if isinstance(action, EmitEvent)]
    assert all(f"Secret ci-deploy was {word}" in note for note in notes)


def test_the_event_warns_once_for_each_secret_and_says_how_to_end_a_key() -> None:
    event = plan_api_key(_seen(LIVE, None)).actions[-1]
    assert isinstance(event, EmitEvent)
    assert event.type is EventType.WARNING
    assert event.regarding is Regarding.SELF
    assert event.occurrence == LIVE.status.secret_uid
    assert "delete its ApiKey or raise spec.revision" in event.note


def test_a_secret_that_was_not_read_is_no_drift() -> None:
    seen = ApiKeyObservation(api_key=LIVE, membership=MEMBER, organization=ORG, siblings=[LIVE], now=NOW)
    assert shown(plan_api_key(seen)) == FINE


@pytest.mark.parametrize("facts", [OURS, None, FOREIGN], ids=["as issued", "deleted", "foreign"])
def test_a_suspended_key_gets_no_new_token(facts: SecretFacts | None) -> None:
    assert shown(plan_api_key(_seen(edited(LIVE, suspended=True), facts))) == ["UpdateStatus Suspended"]


@pytest.mark.parametrize(
    ("key", "facts", "actions", "deleted"),
    [
        pytest.param(ENDED, None, ["UpdateStatus RoleChanged"], None, id="ended, no Secret"),
        pytest.param(
            ENDED,
            replace(OURS, uid="left"),
            ["DeleteSecret", "UpdateStatus RoleChanged"],
            "left",
            id="ended, one left behind by a crash",
        ),
        pytest.param(ENDED, FOREIGN, ["UpdateStatus RoleChanged"], None, id="ended, foreign"),
        pytest.param(
            ENDED, replace(OURS, owner_uid="another"), ["UpdateStatus RoleChanged"], None, id="ended, of another key"
        ),
        pytest.param(
            edited(LIVE, forRole="Owner", revision=2),
            FOREIGN,
            ["DeleteSecret", "UpdateStatus RoleMismatch"],
            LIVE.status.secret_uid,
            id="ends, foreign: by uid, so it stays",
        ),
        pytest.param(NEW, FOREIGN, ["IssueToken"], None, id="new, foreign: the attempt will tell"),
        pytest.param(NEW, replace(OURS, uid="left"), ["IssueToken"], None, id="new, left behind: may be adopted"),
    ],
)
def test_only_our_own_secrets_are_deleted(
    key: ApiKey, facts: SecretFacts | None, actions: list[str], deleted: str | None
) -> None:
    plan = plan_api_key(_seen(key, facts))
    assert shown(plan) == actions
    assert [action.uid for action in plan.actions if isinstance(action, DeleteSecret)] == ([deleted] if deleted else [])
