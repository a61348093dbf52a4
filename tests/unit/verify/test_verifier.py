"""What counts as a use of a dead key, and what an answer's bearer may be told."""

import pytest

from support.builders import NOW
from tenure.domain.verification import Code, Decision
from tenure.verify.index import Death
from tenure.verify.verifier import Answer


@pytest.mark.parametrize(
    ("hash_", "proven", "counts"),
    [("sha256:right", True, True), ("sha256:right", False, False), (None, False, True)],
    ids=["its secret", "a wrong secret", "a secret that nobody can check any more"],
)
def test_a_use_of_a_dead_key_is_one_that_may_have_had_its_secret(
    hash_: str | None, *, proven: bool, counts: bool
) -> None:
    death = Death(Code.ROLE_CHANGED, NOW, "acme", "alice", hash_)
    assert Answer(Decision(Code.ROLE_CHANGED), death, proven, "A" * 12).is_dead is counts
