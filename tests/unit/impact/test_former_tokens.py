"""What `tenure impact --live` says of a key that was handed over, while its former token is still valid."""

from dataclasses import replace
from pathlib import Path

import pytest

from support.objects.builders import NOW
from support.objects.handed_over import handed_over
from support.objects.pull_requests import ALICE, BASE, Body, handed, with_role, write
from tenure.domain.impact.assumptions import grounded
from tenure.domain.impact.compare import Comparison, compare
from tenure.domain.impact.tree import Address
from tenure.domain.installation import DEFAULTS
from tenure.impact.schema import find_transition_flaws
from tenure.impact.trees import read_trees

CI_DEPLOY = Address("acme", "ci-deploy")
KEY = "keys/ci-deploy.yaml"
HANDED = {**BASE, KEY: handed(BASE[KEY], "ci")}


def judge(folder: Path, changed: dict[str, Body | None]) -> Comparison:
    """What is said of these changes, where ci-deploy was alice's until a minute ago, and is the service account's."""
    after = {file: body for file, body in {**HANDED, **changed}.items() if body is not None}
    write(folder / "earlier", BASE)
    write(folder / "base", HANDED)
    write(folder / "head", after)
    earlier, _ = read_trees(str(folder / "earlier"), str(folder / "head"), "acme", allow_empty=True)
    base, head = read_trees(str(folder / "base"), str(folder / "head"), "acme", allow_empty=True)
    issued, _ = grounded(earlier, earlier, NOW, DEFAULTS)
    live = handed_over(issued.api_keys[CI_DEPLOY], issued.memberships[Address("acme", "ci")], key_id="NEW")
    assert live.status.previous is not None
    live = live.model_copy(update={"status": live.status.model_copy(update={"observed_generation": 2})})
    base = replace(base, api_keys={**base.api_keys, CI_DEPLOY: live})
    return compare(base, head, NOW, schema=find_transition_flaws)


def test_a_role_change_of_the_former_holder_names_the_key(tmp_path: Path) -> None:
    said = judge(tmp_path, {"members/alice.yaml": with_role(ALICE, "Viewer")})
    (impact,) = said.members
    assert impact.revoked == ("ci-deploy", "laptop")
    assert impact.acknowledgement == "Viewer: ci-deploy, laptop"
    lost = {(token.key.name, token.member): token.fate for token in said.tokens}
    assert lost == {("ci-deploy", "alice"): "revoked", ("laptop", "alice"): "revoked"}


def test_a_role_change_of_the_next_holder_leaves_both_tokens(tmp_path: Path) -> None:
    said = judge(tmp_path, {"members/ci.yaml": with_role(BASE["members/ci.yaml"], "Viewer")})
    (impact,) = said.members
    assert (impact.revoked, impact.kept) == ((), ("ci-deploy", "pipeline"))
    assert said.tokens == ()


def test_the_next_hand_over_says_that_it_revokes_the_former_token(tmp_path: Path) -> None:
    (key,) = judge(tmp_path, {KEY: handed(BASE[KEY], "bob")}).keys
    assert any("the former token " in remark and "is revoked by the hand-over" in remark for remark in key.remarks)


def test_the_next_hand_over_tells_the_present_token_from_the_former_one(tmp_path: Path) -> None:
    """The same commit changes the role of alice, whose former token is revoked. That of ci is the key's present one."""
    said = judge(tmp_path, {KEY: handed(BASE[KEY], "bob"), "members/alice.yaml": with_role(ALICE, "Viewer")})
    (key,) = said.keys
    assert key.hand_over is not None
    assert key.hand_over.outlook == "the former token is valid for 1 h, or until ci is removed"


@pytest.mark.parametrize(
    ("changed", "members"),
    [
        ({KEY: None}, ["ci", "alice"]),
        ({KEY: handed(BASE[KEY], "ci", revision=2)}, ["ci", "alice"]),
        ({"members/ci.yaml": None}, ["ci"]),
        ({"members/alice.yaml": None}, ["alice"]),
    ],
)
def test_each_members_token_is_lost_by_itself(
    tmp_path: Path, changed: dict[str, Body | None], members: list[str]
) -> None:
    lost = judge(tmp_path, changed).tokens
    assert [token.member for token in lost if token.key == CI_DEPLOY] == members
