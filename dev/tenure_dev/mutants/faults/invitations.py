"""Faults in what waits for an acceptance, and in who counts as accepted."""

from tenure_dev.mutants.fault import Fault

_STATE = "tests/unit/domain/invitations/test_state.py::test_who_is_invited_and_who_has_to_accept"
_PLAN = "tests/unit/domain/planning/test_invitations.py"
_KEYS = "tests/unit/domain/planning/test_apikeys.py::test_what_is_seen_decides_what_is_done"
_LIVE = "tests/e2e/test_invitations.py"

FAULTS = (
    Fault(
        name="acceptance-left-out",
        guard="A key isn't issued before its member has accepted the invitation.",
        where="find_obstacle",
        before="or invitation_obstacle(membership, organization)",
        after="",
        caught_by=(f"{_KEYS}[new, not accepted]",),
    ),
    Fault(
        name="acceptance-binding",
        guard="Who hasn't accepted is in no RoleBinding.",
        where="role_bindings",
        before=" and not awaits_acceptance(member, organization)",
        after="",
        caught_by=("tests/unit/domain/access/test_bindings.py::test_somebody_who_has_yet_to_accept_is_in_none",),
    ),
    Fault(
        name="acceptance-of-everybody",
        guard="Until the controller has noted since when acceptance is required, all members are from before.",
        where="counts_as_accepted",
        before="since is None or _was_there(membership, organization, since)",
        after="since is not None and _was_there(membership, organization, since)",
        caught_by=(f"{_STATE}[the controller hasn't noted the mode yet]",),
    ),
    Fault(
        name="acceptance-arrival",
        guard="Members of the same commit or restore count as accepted.",
        where="_was_there",
        before=" + ARRIVAL",
        after="",
        caught_by=(f"{_STATE}[a member at the end of the ten minutes]",),
    ),
    Fault(
        name="acceptance-restored",
        guard="The first members of an Organization count as accepted, even if its old status was restored.",
        where="_was_there",
        before="max(since, organization.metadata.creation_timestamp)",
        after="since",
        caught_by=(f"{_STATE}[a member of an organization that just came]",),
    ),
    Fault(
        name="acceptance-since",
        guard="The time since when acceptance is required stays, or new members would count as old ones.",
        where="times_in_force",
        before="status.acceptance_since or begins",
        after="begins",
        caught_by=(f"{_PLAN}::test_since_when_a_mode_applies[acceptance goes on]",),
    ),
    Fault(
        name="acceptance-again",
        guard="Who became a member while no acceptance was required isn't asked later.",
        where="times_in_force",
        before="if mode is InvitationMode.REQUIRE_ACCEPTANCE else None",
        after="if mode is InvitationMode.REQUIRE_ACCEPTANCE else status.acceptance_since",
        caught_by=(f"{_PLAN}::test_since_when_a_mode_applies[letters alone again]",),
    ),
    Fault(
        name="acceptance-clock",
        guard="A controller whose clock is behind locks no member out.",
        where="times_in_force",
        before=", *(member.metadata.creation_timestamp for member in members)",
        after="",
        caught_by=(f"{_PLAN}::test_a_clock_that_is_behind_locks_nobody_out",),
    ),
    Fault(
        name="acceptance-unnoticed",
        guard="An acceptance has the member's keys reconciled.",
        where="_tenure",
        before="member.has_accepted",
        after="True",
        caught_by=(
            "tests/unit/controller/test_enqueuer.py::test_a_member_concerns_its_organization_and_its_keys[accepted]",
        ),
    ),
    Fault(
        name="acceptance-unbound",
        guard="An acceptance has the RoleBindings reconciled.",
        where="_tenure",
        before="resource.has_accepted if isinstance(resource, Membership)",
        after="None if isinstance(resource, Membership)",
        caught_by=("tests/unit/controller/access/test_reconciler.py::test_an_acceptance_has_access_reconciled",),
    ),
    Fault(
        name="acceptance-overwritten",
        guard="The controller leaves status.invitation to the mail process.",
        where="Cluster.update_status",
        before="exclude=set(status.foreign)",
        after="exclude=set()",
        caught_by=(f"{_LIVE}::test_two_writers_of_a_status_leave_each_other_alone",),
    ),
)
