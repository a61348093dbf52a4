"""The one write of admission: the lease that a decision claims, as it was read, and the answer if it is lost."""

from dataclasses import replace
from datetime import timedelta

import pytest

from support.objects.builders import NOW
from support.objects.reads import Reads
from tenure.admission.act import act
from tenure.admission.reader import Context
from tenure.domain.admission.decision import Claim, Decision
from tenure.domain.admission.verdict import Judgement
from tenure.domain.installation import DEFAULTS
from tenure.domain.lease import Lease
from tenure.errors import AlreadyExistsError, ApiError, ConflictError, UnavailableError

ALLOWED, LOST = Judgement().warn("it passes"), Judgement(busy="try again")
HELD = Lease("tenure-system", "tenure-owners-acme", "somebody", "1", NOW, 70, resource_version="41")


def claim(replaces: Lease | None) -> Decision:
    return Decision(ALLOWED, claim=Claim("acme", "uid-of-olga", "7", replaces, LOST))


async def answer(decision: Decision, reads: Reads) -> Judgement:
    later = NOW + timedelta(seconds=3)
    context = Context(reads, DEFAULTS, "tenure-system", request_seconds=59.5, now=lambda: later)  # type: ignore[arg-type]
    return await act(context, decision)


async def test_without_a_claim_nothing_is_written() -> None:
    reads = Reads()
    assert await answer(Decision(ALLOWED), reads) is ALLOWED
    assert reads.made == []


@pytest.mark.parametrize(("replaces", "version"), [(None, None), (HELD, "41")], ids=["a new lease", "one that is over"])
async def test_the_lease_outlives_every_write_that_was_let_in(replaces: Lease | None, version: str | None) -> None:
    reads = Reads()
    assert await answer(claim(replaces), reads) is ALLOWED
    (written,) = reads.written
    assert written["metadata"].get("resourceVersion") == version
    assert (written["metadata"]["namespace"], written["metadata"]["name"]) == ("tenure-system", "tenure-owners-acme")
    assert written["metadata"]["annotations"] == {"tenure.dev/held-version": "7"}
    assert written["spec"]["holderIdentity"] == "uid-of-olga"
    assert written["spec"]["leaseDurationSeconds"] == 70
    assert written["spec"]["acquireTime"] == "2027-02-22T08:30:03.000000Z"


@pytest.mark.parametrize("error", [ConflictError("changed"), AlreadyExistsError("created")], ids=["changed", "created"])
async def test_whoever_loses_the_lease_is_told_to_try_again(error: ApiError) -> None:
    assert await answer(claim(HELD), Reads(fails="write lease", error=error)) is LOST


async def test_without_an_answer_nothing_is_allowed() -> None:
    with pytest.raises(UnavailableError):
        await answer(claim(None), Reads(fails="write lease", error=UnavailableError("away")))


@pytest.mark.parametrize("error", [None, ConflictError("changed")], ids=["stored", "another was faster"])
async def test_who_has_to_wait_is_written_into_the_lease(error: ApiError | None) -> None:
    reads = Reads(fails="write lease", error=error) if error else Reads()
    assert await answer(Decision(LOST, line=replace(HELD, waiting=("uid-of-olga",))), reads) is LOST
    if error is None:
        (written,) = reads.written
        assert written["metadata"]["annotations"]["tenure.dev/waiting"] == "uid-of-olga"
        assert written["spec"]["holderIdentity"] == "somebody"
