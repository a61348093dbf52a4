"""The Secret: what is written into it, and what is believed of one that was read."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.objects.builders import ISSUED, api_key, edited, issued, membership, organization, secret, token_of
from tenure.domain.resources import ApiKey
from tenure.domain.resources.membership import SubjectKind
from tenure.domain.resources.stamp import Stamp
from tenure.domain.roles import Role
from tenure.domain.secret import (
    RESERVED_PREFIXES,
    SecretFacts,
    fence_patch,
    is_adoptable,
    secret_body,
    secret_patch,
    stamp_text,
    template_digest,
)
from tenure.domain.tokens import Token

KEY = issued(api_key(), membership(), organization())
NEW = api_key()
TOKEN = token_of(KEY)


def _stamp(key: ApiKey = KEY) -> Stamp:
    assert key.status.issued is not None
    return key.status.issued


STAMP = _stamp()
DIGESTS = {"dee36ace772e1ed7", "be6f4437f9032e00"}
"""Of no template, and of one with the label acme.io/team: core."""
LABELS = {
    "app.kubernetes.io/managed-by": "tenure",
    "tenure.dev/membership": "alice",
    "tenure.dev/subject-kind": "User",
    "velero.io/exclude-from-backup": "true",
}


def _written(
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    prefixes: list[str] | None = None,
) -> dict[str, Any]:
    key = api_key(secret_template={"labels": labels, "annotations": annotations})
    org = organization(keys={"secretMetadataPrefixes": prefixes})
    metadata: dict[str, Any] = secret_body(key, TOKEN, STAMP, SubjectKind.USER, org)["metadata"]
    return metadata


def test_the_secret_is_written_like_this() -> None:
    body = secret_body(NEW, TOKEN, STAMP, SubjectKind.SERVICE_ACCOUNT, organization())
    assert body == {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "tenure.dev/api-key",
        "metadata": {
            "name": "ci-deploy",
            "namespace": "acme",
            "labels": {**LABELS, "tenure.dev/subject-kind": "ServiceAccount"},
            "annotations": {"tenure.dev/issued-under": stamp_text(STAMP)},
            "ownerReferences": [
                {
                    "apiVersion": "tenure.dev/v1alpha1",
                    "kind": "ApiKey",
                    "name": "ci-deploy",
                    "uid": NEW.metadata.uid,
                    "controller": True,
                }
            ],
        },
        "data": {"token": base64.b64encode(TOKEN.reveal().encode()).decode()},
    }


@pytest.mark.parametrize(
    ("prefixes", "wanted", "set_"),
    [
        pytest.param(["acme.io/"], {"acme.io/team": "core"}, {"acme.io/team": "core"}, id="allowed"),
        pytest.param(["acme.io/", "b.io/x"], {"acme.io/a": "1", "b.io/xy": "2"}, None, id="two prefixes"),
        pytest.param(["acme.io/"], {"acme.io/a": "1", "other.io/b": "2", "plain": "3"}, {"acme.io/a": "1"}, id="mixed"),
        pytest.param(["acme.io/"], {"evil-acme.io/a": "1", "x/acme.io/": "2"}, {}, id="prefix inside"),
        pytest.param([], {"acme.io/team": "core"}, {}, id="no prefix"),
        pytest.param(None, {"acme.io/team": "core"}, {}, id="prefixes left out"),
        pytest.param(["acme.io/"], {}, {}, id="nothing wanted"),
        pytest.param(["acme.io/"], None, {}, id="template without it"),
    ],
)
def test_the_template_is_followed_as_far_as_the_organization_allows(
    prefixes: list[str] | None, wanted: Mapping[str, str] | None, set_: Mapping[str, str] | None
) -> None:
    expected = wanted if set_ is None else set_
    assert _written(labels=wanted, prefixes=prefixes)["labels"] == {**LABELS, **(expected or {})}
    assert _written(labels=wanted, prefixes=prefixes)["annotations"].keys() == {"tenure.dev/issued-under"}
    annotations = _written(annotations=wanted, prefixes=prefixes)["annotations"]
    assert annotations == {"tenure.dev/issued-under": stamp_text(STAMP), **(expected or {})}
    assert _written(annotations=wanted, prefixes=prefixes)["labels"] == LABELS


def test_reserved_prefixes_are_the_ones_of_the_design() -> None:
    assert set(RESERVED_PREFIXES) == {
        "argocd.argoproj.io/",
        "kustomize.toolkit.fluxcd.io/",
        "helm.toolkit.fluxcd.io/",
        "meta.helm.sh/",
        "kubectl.kubernetes.io/",
        "velero.io/",
        "tenure.dev/",
        "app.kubernetes.io/",
    }


@pytest.mark.parametrize("reserved", RESERVED_PREFIXES)
@pytest.mark.parametrize("name", ["instance", "tracking-id", "name", "managed-by", "issued-under", "membership"])
def test_reserved_prefixes_are_never_copied(reserved: str, name: str) -> None:
    wanted = {f"{reserved}{name}": "forged"}
    metadata = _written(labels=wanted, annotations=wanted, prefixes=[reserved, "acme.io/"])
    assert metadata["labels"] == LABELS
    assert metadata["annotations"] == {"tenure.dev/issued-under": stamp_text(STAMP)}


def test_a_key_without_a_template_puts_nothing_on_its_secret() -> None:
    org = organization(keys={"secretMetadataPrefixes": ["acme.io/"]})
    metadata = secret_body(NEW, TOKEN, STAMP, SubjectKind.USER, org)["metadata"]
    assert metadata["labels"] == LABELS
    assert metadata["annotations"].keys() == {"tenure.dev/issued-under"}


def test_a_stamp_is_one_line_that_says_all_but_the_time() -> None:
    approved = STAMP.model_copy(update={"organization_uid": "o", "membership_uid": "m"})
    text = '{"membershipGeneration":1,"membershipUID":"m","organizationUID":"o","revision":1,"role":"Member"}'
    assert stamp_text(approved) == text
    assert stamp_text(STAMP.model_copy(update={"at": datetime(2030, 1, 1, tzinfo=UTC)})) == stamp_text(STAMP)
    assert "\n" not in stamp_text(STAMP)


@pytest.mark.parametrize(
    "difference",
    [
        {"organization_uid": "another"},
        {"membership_uid": "another"},
        {"membership_generation": 2},
        {"role": Role.VIEWER},
        {"revision": 2},
    ],
    ids=lambda difference: next(iter(difference)),
)
def test_another_tenure_is_another_stamp(difference: dict[str, Any]) -> None:
    assert stamp_text(STAMP.model_copy(update=difference)) != stamp_text(STAMP)


def test_what_was_written_is_read_back() -> None:
    facts = SecretFacts.from_body(secret(KEY))
    assert facts == SecretFacts(
        uid=str(KEY.status.secret_uid),
        created="2027-01-04T09:01:00Z",
        owner_uid=KEY.metadata.uid,
        token=TOKEN,
        stamp=stamp_text(STAMP),
        version="1",
        annotations=frozenset({"tenure.dev/issued-under"}),
    )
    assert facts.is_owned_by(KEY)
    assert facts.holds_issued_token(KEY)
    assert TOKEN.reveal()[17:] not in repr(facts)


OWNER = {"apiVersion": "tenure.dev/v1alpha1", "kind": "ApiKey", "name": "ci-deploy", "uid": "u-1", "controller": True}


@pytest.mark.parametrize(
    ("references", "owner"),
    [
        pytest.param([OWNER], "u-1", id="ours"),
        pytest.param([{**OWNER, "apiVersion": "tenure.dev/v1"}], "u-1", id="ours, in a later version"),
        pytest.param([{**OWNER, "uid": "u-2", "controller": False}, OWNER], "u-1", id="beside another owner"),
        pytest.param([{**OWNER, "controller": False}], None, id="no controller"),
        pytest.param([{name: OWNER[name] for name in OWNER if name != "controller"}], None, id="controller left out"),
        pytest.param([{**OWNER, "apiVersion": "apps/v1"}], None, id="another group"),
        pytest.param([{**OWNER, "apiVersion": "tenure.dev.evil.io/v1"}], None, id="a group that starts like ours"),
        pytest.param([], None, id="none"),
        pytest.param(None, None, id="null"),
    ],
)
def test_the_owner_is_the_controller_of_our_group(references: list[dict[str, Any]] | None, owner: str | None) -> None:
    body = secret(KEY)
    body["metadata"]["ownerReferences"] = references
    assert SecretFacts.from_body(body).owner_uid == owner


FACTS = SecretFacts.from_body(secret(KEY))
OTHER_TOKEN = token_of(api_key("other"))


@pytest.mark.parametrize(
    ("facts", "adopted"),
    [
        pytest.param(replace(FACTS, uid="left-behind"), True, id="left behind by a crash"),
        pytest.param(replace(FACTS, uid="left-behind", owner_uid="another"), False, id="of another object"),
        pytest.param(replace(FACTS, uid="left-behind", owner_uid=None), False, id="of nobody"),
        pytest.param(replace(FACTS, uid="left-behind", token=None), False, id="without a token"),
        pytest.param(replace(FACTS, uid="left-behind", stamp=None), False, id="without a stamp"),
        pytest.param(replace(FACTS, uid="left-behind", stamp="{}"), False, id="of another tenure"),
        pytest.param(FACTS, False, id="the one that is to be replaced"),
    ],
)
def test_a_secret_is_adopted_only_under_its_own_tenure(facts: SecretFacts, *, adopted: bool) -> None:
    assert is_adoptable(facts, KEY, STAMP) is adopted


@pytest.mark.parametrize(
    "difference",
    [{"membership_generation": 2}, {"revision": 2}],
    ids=lambda difference: next(iter(difference)),
)
def test_no_secret_of_a_former_tenure_is_adopted(difference: dict[str, Any]) -> None:
    facts = replace(FACTS, uid="left-behind")
    assert not is_adoptable(facts, KEY, STAMP.model_copy(update=difference))


@pytest.mark.parametrize(
    ("facts", "holds"),
    [
        pytest.param(FACTS, True, id="as issued"),
        pytest.param(replace(FACTS, uid="another"), False, id="created again with the same token"),
        pytest.param(replace(FACTS, token=OTHER_TOKEN), False, id="edited"),
        pytest.param(replace(FACTS, token=None), False, id="emptied"),
        pytest.param(replace(FACTS, owner_uid=None, stamp=None), True, id="without its owner and stamp"),
    ],
)
def test_drift_is_seen(facts: SecretFacts, *, holds: bool) -> None:
    assert facts.holds_issued_token(KEY) is holds


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(NEW, id="never issued"),
        pytest.param(issued(NEW, membership(), organization(), secret_uid=None), id="ended"),
    ],
)
def test_no_secret_holds_the_token_of_a_key_without_one(key: ApiKey) -> None:
    assert not FACTS.holds_issued_token(key)


def _encoded(text: bytes) -> dict[str, str]:
    return {"token": base64.b64encode(text).decode()}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"data": None}, id="data null"),
        pytest.param({"data": {}}, id="no token"),
        pytest.param({"data": {"token": None}}, id="token null"),
        pytest.param({"data": {"token": ""}}, id="token empty"),
        pytest.param({"data": {"token": "%%%"}}, id="no base64"),
        pytest.param({"data": {"token": _encoded(TOKEN.reveal().encode())["token"] + "!"}}, id="no base64 at its end"),
        pytest.param({"data": {"token": TOKEN.reveal()}}, id="not encoded"),
        pytest.param({"data": _encoded(TOKEN.reveal().encode() + b"\n")}, id="newline"),
        pytest.param({"data": _encoded("tnr_ключ".encode())}, id="no ASCII"),
        pytest.param({"data": _encoded(b"\xff\x00")}, id="bytes"),
        pytest.param({"data": _encoded(TOKEN.reveal().encode()[:-1] + b"_")}, id="wrong checksum"),
        pytest.param({"type": "Opaque"}, id="another type"),
        pytest.param({"type": None}, id="type null"),
    ],
)
def test_a_malformed_secret_holds_no_token(change: dict[str, Any]) -> None:
    facts = SecretFacts.from_body({**secret(KEY), **change})
    assert facts.token is None
    assert facts.is_owned_by(KEY)


@pytest.mark.parametrize("field", ["data", "type"])
def test_a_field_that_is_left_out_is_no_token(field: str) -> None:
    body = secret(KEY)
    del body[field]
    assert SecretFacts.from_body(body).token is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.just("token") | st.text(), children),
    max_leaves=5,
)


@given(data=json_values, type_=json_values | st.just("tenure.dev/api-key"))
def test_no_content_of_a_secret_raises(data: object, type_: object) -> None:
    assert SecretFacts.from_body({**secret(KEY), "data": data, "type": type_}).token is None


@pytest.mark.parametrize("annotations", [None, {}, {"other": "x"}])
def test_a_secret_without_the_annotation_has_no_stamp(annotations: dict[str, str] | None) -> None:
    body = secret(KEY)
    body["metadata"]["annotations"] = annotations
    assert SecretFacts.from_body(body).stamp is None


def test_the_time_of_issue_is_that_of_the_api_server() -> None:
    assert datetime.fromisoformat(SecretFacts.from_body(secret(KEY)).created) == ISSUED


def test_a_patch_in_place_sets_the_token_and_takes_away_what_the_template_dropped() -> None:
    acme = organization(keys={"secretMetadataPrefixes": ["acme.io/"]})
    facts = replace(
        SecretFacts.from_body(secret(KEY)), labels=frozenset({"acme.io/old", "acme.io/kept", "foreign"}), version="7"
    )
    key = edited(KEY, secretTemplate={"labels": {"acme.io/kept": "2"}})
    body = secret_body(key, TOKEN, STAMP, SubjectKind.USER, acme)
    patch = secret_patch(body, facts, acme)
    assert patch["data"] == body["data"]
    assert (patch["metadata"]["uid"], patch["metadata"]["resourceVersion"]) == (facts.uid, "7")
    labels = patch["metadata"]["labels"]
    assert (labels["acme.io/old"], labels["acme.io/kept"], "foreign" in labels) == (None, "2", False)
    assert patch["metadata"]["annotations"] == {"tenure.dev/issued-under": stamp_text(STAMP)}


@pytest.mark.parametrize(
    ("token_key", "names"),
    [("API_KEY", {"token", "API_KEY"}), ("token", {"token"}), (None, {"token"})],
    ids=["another name", "the same name", "none"],
)
def test_the_secret_holds_the_token_under_each_name(token_key: str | None, names: set[str]) -> None:
    key = edited(KEY, secretTemplate={"tokenKey": token_key})
    data = secret_body(key, TOKEN, STAMP, SubjectKind.USER, organization())["data"]
    assert data == dict.fromkeys(names, base64.b64encode(TOKEN.reveal().encode()).decode())


@pytest.mark.parametrize(
    ("token_key", "dropped"), [("API_KEY", set()), ("OTHER", {"API_KEY"}), (None, {"API_KEY"})], ids=repr
)
def test_a_patch_in_place_leaves_the_former_token_under_no_name(token_key: str | None, dropped: set[str]) -> None:
    stored = secret(KEY)
    stored["data"] |= {"API_KEY": stored["data"]["token"], "foreign": "eA=="}
    key, new = edited(KEY, secretTemplate={"tokenKey": token_key}), Token.mint(b"n" * 48)
    body = secret_body(key, new, STAMP, SubjectKind.USER, organization())
    patch = secret_patch(body, SecretFacts.from_body(stored), organization())
    assert patch["data"] == {**body["data"], **dict.fromkeys(dropped)}


def test_the_digest_of_a_template_without_another_name_is_that_of_the_version_before() -> None:
    """Otherwise every key with a template would wait for a token that changes nothing."""
    acme = organization(keys={"secretMetadataPrefixes": ["acme.io/"]})
    team = {"labels": {"acme.io/team": "core"}}
    digests = {template_digest(api_key(secret_template=template), acme) for template in (None, team)}
    assert digests == DIGESTS
    assert template_digest(api_key(secret_template={**team, "tokenKey": "token"}), acme) in digests
    assert template_digest(api_key(secret_template={**team, "tokenKey": "API_KEY"}), acme) not in digests


def test_a_fence_changes_the_secret_as_it_was_read_and_goes_with_the_next_token() -> None:
    facts = SecretFacts.from_body(secret(KEY))
    metadata = fence_patch(facts, "K" * 12)["metadata"]
    assert metadata == {
        "uid": facts.uid,
        "resourceVersion": facts.version,
        "annotations": {"tenure.dev/announced": "K" * 12},
    }
    fenced = replace(facts, annotations=frozenset({*facts.annotations, "tenure.dev/announced"}))
    body = secret_body(KEY, TOKEN, STAMP, SubjectKind.USER, organization())
    assert secret_patch(body, fenced, organization())["metadata"]["annotations"]["tenure.dev/announced"] is None
    assert "tenure.dev/announced" not in secret_patch(body, facts, organization())["metadata"]["annotations"]


def test_a_secret_with_the_next_token_of_the_tenure_is_adopted_and_one_with_a_known_token_is_not() -> None:
    """After a crash between a raised revision's two writes the status still names the Secret."""
    facts = SecretFacts.from_body(secret(KEY))
    assert not is_adoptable(facts, KEY, STAMP)
    assert is_adoptable(replace(facts, token=Token.mint(b"n" * 48)), KEY, STAMP)


def test_the_text_of_a_stamp_has_the_tenure_only() -> None:
    """A release without rotation wrote the same text, and adopts it too."""
    later = STAMP.model_copy(update={"sequence": 7, "request": 3, "membership": "alice"})
    assert stamp_text(later) == stamp_text(STAMP)
