"""Which members a key depends on, and who may read its Secret, as its tokens change hands."""

import pytest

from support.objects.builders import api_key, edited, issued, membership, organization, rotated, with_status
from tenure.domain.resources import ApiKey
from tenure.domain.views import former_holders, memberships_of, reader_of

ORG = organization()
ALICES = issued(api_key(), membership(), ORG)
PENDING = edited(ALICES, membership="ci")
CI = issued(api_key(membership="ci"), membership("ci", kind="ServiceAccount"), ORG).status.issued


def leaving() -> ApiKey:
    """The key once ci's token is announced."""
    key = rotated(PENDING, announced="N" * 12)
    assert key.status.next is not None
    successor = key.status.next.model_copy(update={"issued": CI})
    return with_status(key, key.status.model_copy(update={"next": successor}))


def left() -> ApiKey:
    """The key once ci's token is the present one."""
    key = rotated(PENDING, former="F" * 12)
    return with_status(key, key.status.model_copy(update={"issued": CI}))


@pytest.mark.parametrize(
    ("key", "members", "reader", "former"),
    [
        pytest.param(api_key(), {"alice"}, "alice", set(), id="never issued"),
        pytest.param(ALICES, {"alice"}, "alice", {"alice"}, id="issued"),
        pytest.param(rotated(ALICES, announced="N" * 12), {"alice"}, "alice", {"alice"}, id="rotated"),
        pytest.param(PENDING, {"alice", "ci"}, "alice", {"alice"}, id="handed over"),
        pytest.param(leaving(), {"alice", "ci"}, None, {"alice"}, id="announced"),
        pytest.param(edited(leaving(), membership="alice"), {"alice", "ci"}, None, {"alice"}, id="handed back"),
        pytest.param(left(), {"alice", "ci"}, "ci", {"alice", "ci"}, id="delivered"),
    ],
)
def test_a_key_depends_on_each_member_that_it_names_and_one_reads_its_secret(
    key: ApiKey, members: set[str], reader: str | None, former: set[str]
) -> None:
    assert (memberships_of(key), reader_of(key), former_holders(key)) == (members, reader, former)
