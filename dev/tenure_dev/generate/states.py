"""Generate the reference page of states from the tables of the planners."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from tenure.domain.planning.states import (
    CHANGE_STATES,
    CHANGE_STEPS,
    KEY_STATES,
    KEY_STEPS,
    ChangeState,
    Description,
    KeyState,
    Step,
)
from tenure_dev.generate.drawing import in_words
from tenure_dev.generate.reference import GENERATED, table

S = TypeVar("S", KeyState, ChangeState)


def states_page() -> str:
    """Return the page of the states of a key and of a role change, with the steps between them."""
    return (
        f"{GENERATED}# States of a key\n\n"
        "Each time Tenure looks at a key, it finds the key's state from the ApiKey, its Membership, its Organization\n"
        "and its Secret. It stores the state nowhere, so it can stop at any point and start again. This page is\n"
        "written from the tables in `operator/tenure/domain/planning/states.py`. A test compares every step of the\n"
        "planners with them.\n\n"
        "![The states of a key, in three stages: its token is current, its token is rejected, it has no "
        "token](../images/key-states.svg)\n\n"
        "Read it from top to bottom. An event such as a role change moves a key down, and only a new token brings it\n"
        "back up. What happens to a key that works can happen to one that is suspended or to repair as well. Within a\n"
        "stage, your edits can move a key between all states. For example, a key to delete is reissued instead if you\n"
        "set its `forRole` in time. If you delete an ApiKey yourself, its Secret is deleted too, in every state.\n\n"
        "The drawing leaves out the steps that take a crash, a failed write or a cache that is behind. The second\n"
        "table marks them.\n\n"
        f"{_states(KEY_STATES)}\n"
        "## Steps of a key\n\n"
        "Steps without an action are events. Tenure writes a status only if it differs, and posts an Event with some\n"
        "reasons ([Observability](../operations/observability.md)).\n\n"
        f"{_steps(KEY_STEPS)}\n"
        "## A role change\n\n"
        "The role change itself has states as well. Its record in the Membership comes before any change to an\n"
        "ApiKey, except that Secrets are deleted at once.\n\n"
        "![The states of a role change: seen, recorded, done, and late if the record has to be "
        "corrected](../images/role-change-states.svg)\n\n"
        f"{_states(CHANGE_STATES)}\n"
        "## Steps of a role change\n\n"
        f"{_steps(CHANGE_STEPS)}"
    )


def _states(states: Mapping[S, Description]) -> str:
    rows = [[f"**{state}**", one.meaning, one.shown, one.next] for state, one in states.items()]
    return table(["State", "Meaning", "kubectl shows", "What happens next"], rows)


def _steps(steps: Iterable[Step[S]]) -> str:
    rows = [
        [str(step.before), step.on + (" (rare)" if step.rare else ""), in_words(step.actions), str(step.after)]
        for step in steps
    ]
    return table(["From", "When", "Tenure's actions", "To"], rows)
