"""The metric of ended tokens has a value for each verdict."""

from tenure.controller.secret_cleanup import ENDS
from tenure.domain.validity import Verdict


def test_every_verdict_says_how_a_token_ends() -> None:
    assert set(ENDS) == set(Verdict)
