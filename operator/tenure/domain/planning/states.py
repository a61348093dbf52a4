"""The states of a key and of a role change, and every step between them, as tables.

The planners find the state from the evidence, and the state decides about the plan. `docs/reference/states.md` and its
drawings are written from these tables. `tests/unit/domain/planning/test_states.py` compares them with what the planners
do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from tenure.domain.planning.actions import (
    Action,
    AnnounceToken,
    DeleteApiKey,
    DeleteSecret,
    DeliverToken,
    EmitEvent,
    IssueToken,
    UpdateStatus,
)


class KeyState(StrEnum):
    """What the planner finds a key to be. Names with *to* say what Tenure does next."""

    WORKS = "Works"
    SUSPENDED = "Suspended"
    TO_REPAIR = "To repair"
    TO_ROTATE = "To rotate"
    TO_DELIVER = "To deliver"
    TO_PROMOTE = "To promote"
    TO_READ = "To read"
    TO_RECORD = "To record"
    TO_DELETE = "To delete"
    TO_REVOKE = "To revoke"
    TO_REISSUE = "To reissue"
    TO_ISSUE = "To issue"
    TO_CLEAN = "To clean up"
    WAITS = "Waits"
    REVOKED = "Revoked"
    GONE = "Gone"


class ChangeState(StrEnum):
    """What the planner finds about the latest role change of a Membership."""

    NONE = "None"
    SEEN = "Seen"
    RECORDED = "Recorded"
    LATE = "Late"
    DONE = "Done"


class Stage(StrEnum):
    """What a key's state says about its token. Within a stage your edits can move a key between all states."""

    CURRENT = "The token is current"
    OUTDATED = "The token is rejected, and its Secret may still exist"
    NONE = "There is no token"
    UNKNOWN = "Not known yet"


S = TypeVar("S", KeyState, ChangeState)


@dataclass(frozen=True)
class Description:
    """A state in words for users.

    Attributes:
        meaning: What the state means.
        shown: What kubectl shows.
        next: What happens next.
    """

    meaning: str
    shown: str
    next: str


@dataclass(frozen=True)
class Step(Generic[S]):
    """A step from one state to another.

    Attributes:
        before: The state in which it happens.
        on: What happens, or what else the planner finds.
        actions: What Tenure does. Without an action it is an event: you, another program or the clock did it.
        after: The state that follows once the actions are carried out.
        rare: It takes a crash, a failed write or a cache that is behind, so the drawing leaves it out.
    """

    before: S
    on: str
    actions: tuple[type[Action], ...]
    after: S
    rare: bool = False


STAGES: Mapping[KeyState, Stage] = {
    KeyState.WORKS: Stage.CURRENT,
    KeyState.SUSPENDED: Stage.CURRENT,
    KeyState.TO_REPAIR: Stage.CURRENT,
    KeyState.TO_ROTATE: Stage.CURRENT,
    KeyState.TO_DELIVER: Stage.CURRENT,
    KeyState.TO_PROMOTE: Stage.CURRENT,
    KeyState.TO_READ: Stage.UNKNOWN,
    KeyState.TO_RECORD: Stage.OUTDATED,
    KeyState.TO_DELETE: Stage.OUTDATED,
    KeyState.TO_REVOKE: Stage.OUTDATED,
    KeyState.TO_REISSUE: Stage.OUTDATED,
    KeyState.TO_ISSUE: Stage.NONE,
    KeyState.TO_CLEAN: Stage.NONE,
    KeyState.WAITS: Stage.NONE,
    KeyState.REVOKED: Stage.NONE,
    KeyState.GONE: Stage.NONE,
}

KEY_STATES: Mapping[KeyState, Description] = {
    KeyState.WORKS: Description(
        "The stamp is current, and the Secret holds the token.",
        "`Ready=True`, `Issued`",
        "The key stays like this until you change its member's role, or another event ends it.",
    ),
    KeyState.SUSPENDED: Description(
        "The stamp is current, but you suspended the key, its member or the organization.",
        "`Ready=False`, `Suspended`",
        "The token is rejected and the Secret stays. The same token works again once you lift the suspension.",
    ),
    KeyState.TO_REPAIR: Description(
        "The stamp is current, but the Secret was deleted or edited.",
        "`Ready=True`, `Issued`. Then a new `Key-Id` and the Event `SecretReplaced`",
        "Tenure replaces the Secret. The old token works until then.",
    ),
    KeyState.TO_ROTATE: Description(
        "The stamp is current, and a rotation is due, or the key was handed over. Or the process that announced a "
        "token was stopped before it delivered it.",
        "`Ready=True`, `Issued`",
        "Tenure creates a new token and announces its hash in `status.next`. The verifiers accept both tokens.",
    ),
    KeyState.TO_DELIVER: Description(
        "The next token is announced, and the Secret still holds the present one.",
        "`Ready=True`, `Issued` and `Rotating=True`, `Announced`",
        "Two seconds after the announcement Tenure writes the new token into the Secret. The other one is now the "
        "former token, and is valid for the `overlap`.",
    ),
    KeyState.TO_PROMOTE: Description(
        "The Secret holds the announced token, and the status doesn't say so yet, because of a crash.",
        "`Ready=True`, `Issued` and `Rotating=True`, `Announced`",
        "Tenure makes the announced token the present one in the status.",
    ),
    KeyState.TO_READ: Description(
        "The stamp is newer than the Membership in Tenure's cache, so the cache is behind.",
        "what it showed before",
        "Tenure changes no object. It reads the Membership from the API server and decides again.",
    ),
    KeyState.TO_RECORD: Description(
        "The member's role changed, so the token is rejected. The Membership doesn't list the key as revoked yet.",
        "what it showed before. The verifier answers `RoleChanged`",
        "Tenure deletes the Secret. It leaves the ApiKey alone until `status.lastRoleChange` of the Membership lists "
        "it.",
    ),
    KeyState.TO_DELETE: Description(
        "The Membership lists the key as revoked, and the organization's `onRoleChange` asks to delete the ApiKey.",
        "`Ready=False`, `RoleChanged`",
        "Tenure deletes the Secret, and the ApiKey three seconds after the role change. You can still save it with "
        "`forRole`.",
    ),
    KeyState.TO_REVOKE: Description(
        "The token is rejected, and the ApiKey stays without one.",
        "what it showed before",
        "Tenure deletes the Secret and writes the reason into the ApiKey.",
    ),
    KeyState.TO_REISSUE: Description(
        "The token is rejected, and you approved another one: by `forRole`, or with a higher `revision`.",
        "what it showed before",
        "Tenure issues a new token in a Secret of the same name. If you raised `revision`, it changes the Secret in "
        "place. Otherwise it deletes the Secret and creates it again.",
    ),
    KeyState.TO_ISSUE: Description(
        "The key has no token, and no rule forbids one.",
        "no condition yet, or the reason why the last attempt failed, such as `Ready=False`, `SecretConflict`",
        "Tenure issues a token. If the Secret can't be written, it tries again.",
    ),
    KeyState.TO_CLEAN: Description(
        "The key may not be issued, but it has a Secret from an attempt that a crash cut off. Its token never worked.",
        "what it showed before",
        "Tenure deletes the Secret.",
    ),
    KeyState.WAITS: Description(
        "The key never had a token, and something forbids one.",
        "`Ready=False`, for example `MembershipNotFound`, `RoleMismatch`, `InvitationPending` or `QuotaExceeded`",
        "Tenure issues a token once the obstacle is removed.",
    ),
    KeyState.REVOKED: Description(
        "The key had a token and has none now. Something forbids another one.",
        "`Ready=False`, for example `RoleChanged`, `RoleMismatch`, `Expired` or `MembershipGone`",
        "Tenure issues a token once you approve it: set `forRole` to the present role or raise `revision`.",
    ),
    KeyState.GONE: Description(
        "Tenure deleted the ApiKey after its member's role changed.",
        "`NotFound`. The Membership's `status.lastRoleChange` still lists the key",
        "The end. A new ApiKey of the same name is another key.",
    ),
}
"""The states of a key in words."""

FOUND = "in this state"
"""The `on` of a step that Tenure takes in any case."""

_ISSUE, _REPLACE = (IssueToken,), (DeleteSecret, IssueToken)
_END, _STATUS = (DeleteSecret, UpdateStatus), (UpdateStatus,)

KEY_STEPS: tuple[Step[KeyState], ...] = (
    Step(KeyState.WORKS, "the status isn't up to date", _STATUS, KeyState.WORKS),
    Step(KeyState.WORKS, "suspended", (), KeyState.SUSPENDED),
    Step(KeyState.WORKS, "Secret deleted or edited", (), KeyState.TO_REPAIR),
    Step(KeyState.WORKS, "rotation due, or handed over", (), KeyState.TO_ROTATE),
    Step(KeyState.WORKS, "role changed", (), KeyState.TO_RECORD),
    Step(KeyState.WORKS, "expired, member gone", (), KeyState.TO_REVOKE),
    Step(KeyState.WORKS, "revision raised", (), KeyState.TO_REISSUE),
    Step(KeyState.WORKS, "the cache is behind", (), KeyState.TO_READ, rare=True),
    Step(KeyState.SUSPENDED, "the status isn't up to date", _STATUS, KeyState.SUSPENDED),
    Step(KeyState.SUSPENDED, "lifted", (), KeyState.WORKS),
    Step(KeyState.TO_REPAIR, "the Secret is gone, or another one", _ISSUE, KeyState.WORKS),
    Step(KeyState.TO_REPAIR, "the Secret was edited", _REPLACE, KeyState.WORKS),
    Step(KeyState.TO_REPAIR, "the Secret can't be written", _ISSUE, KeyState.TO_ISSUE, rare=True),
    Step(
        KeyState.TO_REPAIR,
        "the Secret can't be written, and a newer rule forbids a token",
        _ISSUE,
        KeyState.REVOKED,
        rare=True,
    ),
    Step(KeyState.TO_ROTATE, FOUND, (AnnounceToken,), KeyState.TO_DELIVER),
    Step(KeyState.TO_DELIVER, "the status isn't up to date", _STATUS, KeyState.TO_DELIVER),
    Step(KeyState.TO_DELIVER, "2 seconds later", (DeliverToken,), KeyState.WORKS),
    Step(KeyState.TO_DELIVER, "the process was stopped", (), KeyState.TO_ROTATE, rare=True),
    Step(KeyState.TO_PROMOTE, FOUND, _STATUS, KeyState.WORKS, rare=True),
    Step(KeyState.TO_READ, "read again", (), KeyState.WORKS, rare=True),
    Step(KeyState.TO_RECORD, "the record isn't written yet", (DeleteSecret,), KeyState.TO_RECORD),
    Step(KeyState.TO_RECORD, "recorded, onRoleChange deletes it", (), KeyState.TO_DELETE),
    Step(KeyState.TO_RECORD, "recorded, it stays", (), KeyState.TO_REVOKE),
    Step(KeyState.TO_RECORD, "recorded, approved by forRole", (), KeyState.TO_REISSUE),
    Step(KeyState.TO_DELETE, "less than 3 seconds ago", _END, KeyState.TO_DELETE),
    Step(KeyState.TO_DELETE, "3 seconds later", (DeleteSecret, DeleteApiKey), KeyState.GONE),
    Step(KeyState.TO_REVOKE, FOUND, _END, KeyState.REVOKED),
    Step(KeyState.TO_REVOKE, "a crash left another Secret", _END, KeyState.TO_CLEAN, rare=True),
    Step(KeyState.TO_REISSUE, "revision raised", _ISSUE, KeyState.WORKS),
    Step(KeyState.TO_REISSUE, "approved by forRole", _REPLACE, KeyState.WORKS),
    Step(KeyState.TO_REISSUE, "the Secret can't be written", _ISSUE, KeyState.TO_ISSUE, rare=True),
    Step(KeyState.TO_REISSUE, "the Secret can't be written", _REPLACE, KeyState.TO_ISSUE, rare=True),
    Step(KeyState.TO_ISSUE, FOUND, _ISSUE, KeyState.WORKS),
    Step(KeyState.TO_ISSUE, "the Secret can't be written", _ISSUE, KeyState.TO_ISSUE, rare=True),
    Step(KeyState.TO_ISSUE, "hindered", (), KeyState.WAITS),
    Step(KeyState.TO_ISSUE, "hindered", (), KeyState.REVOKED),
    Step(KeyState.TO_ISSUE, "hindered after a crash", (), KeyState.TO_CLEAN, rare=True),
    Step(KeyState.TO_CLEAN, "never issued", _END, KeyState.WAITS, rare=True),
    Step(KeyState.TO_CLEAN, "issued before", _END, KeyState.REVOKED, rare=True),
    Step(KeyState.WAITS, "the status isn't up to date", _STATUS, KeyState.WAITS),
    Step(KeyState.WAITS, "no obstacle", (), KeyState.TO_ISSUE),
    Step(KeyState.REVOKED, "the status isn't up to date", _STATUS, KeyState.REVOKED),
    Step(KeyState.REVOKED, "approved", (), KeyState.TO_ISSUE),
)
"""Every step of a key. What can happen to a key that works can happen to one that is suspended or to repair as well."""

CHANGE_STATES: Mapping[ChangeState, Description] = {
    ChangeState.NONE: Description(
        "The role hasn't changed since Tenure first saw the Membership.",
        "no `status.lastRoleChange`",
        "Tenure waits until you change the role.",
    ),
    ChangeState.SEEN: Description(
        "The role changed. All keys of the old role are rejected already, but the status doesn't say so yet.",
        "the record of an earlier role change, or none. `status.observedGeneration` is behind",
        "Tenure posts an Event on the Membership and one on the Organization, and writes `status.lastRoleChange`.",
    ),
    ChangeState.RECORDED: Description(
        "The status lists the revoked keys. Some of them still have a Secret, or an ApiKey that will be deleted.",
        "`status.lastRoleChange` with the roles, the time, the field manager and each key's `fate`",
        "Each of these keys goes its own way, as the table of keys says.",
    ),
    ChangeState.LATE: Description(
        "The record isn't complete: a key of the old role was found late, or you saved one with `forRole`.",
        "a `status.lastRoleChange` that lacks the key, or says `Deleted` of it",
        "Tenure corrects the record.",
    ),
    ChangeState.DONE: Description(
        "The status lists the revoked keys, and all of them are deleted, kept without a token, or reissued.",
        "`status.lastRoleChange`, until the next role change replaces it",
        "Tenure waits until you change the role again.",
    ),
}
"""The states of a role change in words."""

RECORDED = frozenset({ChangeState.RECORDED, ChangeState.LATE, ChangeState.DONE})
"""The states in which the status has the record of the latest role change. Edits of keys move it between them."""

_RECORD = (EmitEvent, EmitEvent, UpdateStatus)

CHANGE_STEPS: tuple[Step[ChangeState], ...] = (
    Step(ChangeState.NONE, "the status isn't up to date", _STATUS, ChangeState.NONE),
    Step(ChangeState.NONE, "role changed", (), ChangeState.SEEN),
    Step(ChangeState.SEEN, "it revokes keys", _RECORD, ChangeState.RECORDED),
    Step(ChangeState.SEEN, "no key to revoke", _RECORD, ChangeState.DONE),
    Step(ChangeState.RECORDED, "the status isn't up to date", _STATUS, ChangeState.RECORDED),
    Step(ChangeState.RECORDED, "key found late, or saved", (), ChangeState.LATE),
    Step(ChangeState.RECORDED, "last key handled", (), ChangeState.DONE),
    Step(ChangeState.RECORDED, "role changed", (), ChangeState.SEEN),
    Step(ChangeState.LATE, "keys are left", _STATUS, ChangeState.RECORDED),
    Step(ChangeState.LATE, "no key is left", _STATUS, ChangeState.DONE),
    Step(ChangeState.LATE, "role changed", (), ChangeState.SEEN),
    Step(ChangeState.DONE, "the status isn't up to date", _STATUS, ChangeState.DONE),
    Step(ChangeState.DONE, "key found late, or created again", (), ChangeState.LATE),
    Step(ChangeState.DONE, "role changed", (), ChangeState.SEEN),
)
"""Every step of a role change."""
