"""The drawings of states show every step of the tables that isn't rare."""

import pytest

from tenure.domain.planning.states import KEY_STATES, KEY_STEPS, KeyState, Step
from tenure_dev.errors import ToolError
from tenure_dev.generate import drawing


def test_every_state_is_drawn_unless_all_its_steps_are_rare() -> None:
    svg = drawing.key_states()
    usual = {state for step in KEY_STEPS if not step.rare for state in (step.before, step.after)}
    assert {state for state in KEY_STATES if f">{state}</text>" in svg} == usual


def test_a_step_that_has_no_place_in_the_drawing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    revival = Step(KeyState.GONE, "a miracle", (), KeyState.WORKS)
    monkeypatch.setattr(drawing, "KEY_STEPS", (*KEY_STEPS, revival))
    with pytest.raises(ToolError, match="Gone"):
        drawing.key_states()
