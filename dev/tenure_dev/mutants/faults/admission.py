"""Faults in admission: grants, the last Owner, and that no error lets a change pass."""

from tenure_dev.mutants.fault import Fault

_RULES = "tests/unit/domain/admission"
_AUTHORITY = f"{_RULES}/test_decide_authority.py"
_LAST_OWNER = f"{_RULES}/test_decide_last_owner.py"
_LISTENER = "tests/unit/admission/test_server.py"
_GATHER = "tests/unit/admission/test_gather.py"
_ACT = "tests/unit/admission/test_act.py"
_READ_LEASE = "await read_lease(context.cluster, context.system_namespace, lease_name(namespace))"

FAULTS = (
    Fault(
        name="fail-closed",
        guard="A change that can't be judged is refused.",
        where="Answer.fail",
        before="Judgement().refuse(sentence)",
        after="Judgement()",
        caught_by=(f"{_LISTENER}::test_b_61_an_error_denies_and_is_told_to_the_log_alone",),
    ),
    Fault(
        name="unknown-path",
        guard="A review on an unknown path is answered 404, and never let in.",
        where="Listener._review",
        before='raise web.HTTPNotFound(text=f"Unknown path /{path}\\n")',
        after='return web.json_response({"response": {"allowed": True}})',
        caught_by=(f"{_LISTENER}::test_an_unknown_path_is_not_found",),
    ),
    Fault(
        name="grant-of-former-role",
        guard="Whoever changes a role needs the grant of the role before, too.",
        where="membership_grants",
        before="for member in (change.old, change.new) if member is not None",
        after="for member in (change.new or change.old,) if member is not None",
        caught_by=(f"{_RULES}/test_authority.py::test_a_change_of_a_membership_needs_the_grants_of_both_roles",),
    ),
    Fault(
        name="self-promotion",
        guard="Nobody raises their own role, whatever they may grant.",
        where="raises_itself",
        before="_exceeds(change.new.spec.role, change.old.spec.role)",
        after="False",
        caught_by=(f"{_RULES}/test_authority.py::test_whoever_gets_more_by_their_own_hand_raises_themselves",),
    ),
    Fault(
        name="missing-grant",
        guard="Whoever lacks the grant of a role can't give or take it.",
        where="_check_grants",
        before="if evidence.missing_grants:",
        after="if False:",
        caught_by=(f"{_AUTHORITY}::test_a_membership_needs_the_grants_of_both_roles",),
    ),
    Fault(
        name="foreign-key",
        guard="Somebody else's key takes the grant of its holder's role.",
        where="_check_holder",
        before="if not missing:",
        after="if True:",
        caught_by=(f"{_AUTHORITY}::test_a_key_is_touched_by_its_holder_and_by_whoever_may_grant_the_holders_role",),
    ),
    Fault(
        name="planted-approval",
        guard="Somebody else's key takes the grants of the roles that forRole names, before and after.",
        where="ApiKeyEvidence.grants",
        before="approved = () if self.is_own else approved_roles(self.change)",
        after="approved: tuple[Role, ...] = ()",
        caught_by=(f"{_AUTHORITY}::test_an_approval_for_a_role_needs_the_grants_of_all_its_roles",),
    ),
    Fault(
        name="lifted-lock",
        guard="Holders can't lift the suspension of their own key without the grant of their role.",
        where="ApiKeyEvidence.asks_for_grants",
        before="return lifts_suspension(self.change)",
        after="return False",
        caught_by=(f"{_AUTHORITY}::test_lifting_a_suspension_needs_the_grant_of_the_members_role",),
    ),
    Fault(
        name="own-name-in-capitals",
        guard="Nobody raises their own role, in whatever case the identity provider spells the name.",
        where="raises_itself",
        before="not may_be_own(",
        after="not is_own(",
        caught_by=(f"{_AUTHORITY}::test_a_key_is_ones_own_by_the_very_name_and_a_raise_in_any_case",),
    ),
    Fault(
        name="owners-lease",
        guard="An Owner leaves only under the organization's lease, which only one of them can take.",
        where="_claim",
        before="if organization is None or evidence.change.dry_run or not judgement.allowed:",
        after="if True:",
        caught_by=(f"{_LAST_OWNER}::test_one_of_two_owners_may_go_and_only_the_change_itself_takes_the_lease",),
    ),
    Fault(
        name="owners-lease-first",
        guard="Of two first Owners at the same moment only one comes if a rule denies all others.",
        where="is_free",
        before="return bool(versions)",
        after="return True",
        caught_by=(f"{_RULES}/test_owners_turn.py",),
    ),
    Fault(
        name="owners-lease-held",
        guard="While another Owner's change may still be stored, nobody else leaves.",
        where="_busy",
        before="if uid not in versions or may_take(",
        after="if True or may_take(",
        caught_by=(f"{_LAST_OWNER}::test_while_another_owner_may_still_go_one_has_to_wait",),
    ),
    Fault(
        name="owners-lease-turn",
        guard="Whoever holds the lease can't prolong it while others wait.",
        where="may_take",
        before="(not waiting or now < lease.acquired + _turn(lease))",
        after="True",
        caught_by=(f"{_RULES}/test_owners_turn.py",),
    ),
    Fault(
        name="foreign-metadata",
        guard="A change of metadata needs what a change of the spec needs.",
        where="Change.matters",
        before="or self.only_metadata",
        after="",
        caught_by=(f"{_RULES}/test_decide_metadata.py",),
    ),
    Fault(
        name="proven-caller",
        guard="With a client authority, only its certificates and the self-test are heard.",
        where="Callers.includes",
        before="if not self.certified or certificate:",
        after="if True:",
        caught_by=("tests/unit/admission/test_intake.py",),
    ),
    Fault(
        name="owners-lease-order",
        guard="The lease is read before the Owners, so that it can be taken only if nobody left meanwhile.",
        where="_with_owners",
        before=(
            f"lease: Lease | None = {_READ_LEASE}\n"
            "    evidence = replace(evidence, lease=lease, owners=await _owners(context, namespace))"
        ),
        after=(
            "owners = await _owners(context, namespace)\n"
            f"    evidence = replace(evidence, owners=owners, lease={_READ_LEASE})"
        ),
        caught_by=(f"{_GATHER}::test_the_lease_is_read_before_the_owners_and_the_clock_before_both",),
    ),
    Fault(
        name="owners-lease-lost",
        guard="Whoever loses the race for the lease is told to try again.",
        where="act",
        before="return claim.lost",
        after="return decision.judgement",
        caught_by=(f"{_ACT}::test_whoever_loses_the_lease_is_told_to_try_again",),
    ),
    Fault(
        name="read-failed",
        guard="A read that fails leaves nothing to decide by: there is no default.",
        where="Context.find",
        before="except ObjectNotFoundError:",
        after="except Exception:",
        caught_by=(f"{_GATHER}::test_whichever_read_fails_there_is_no_evidence",),
    ),
    Fault(
        name="last-owner",
        guard="An Owner who is being deleted doesn't count as one who stays.",
        where="remaining_owners",
        before="and not member.metadata.deleting",
        after="",
        caught_by=(f"{_RULES}/test_last_owner.py",),
    ),
    Fault(
        name="owner-reference",
        guard="Adding an owner reference is judged as the deletion that the garbage collector may do.",
        where="Change.gains_owner",
        before="any(owner not in before for owner in after)",
        after="False",
        caught_by=(f"{_RULES}/test_request.py::test_a_new_owner_removes_an_object",),
    ),
    Fault(
        name="spent-acknowledgement",
        guard="An acknowledgement that was there before approves no further change.",
        where="find_flaw",
        before="if after == before:",
        after="if False:",
        caught_by=(f"{_RULES}/test_acknowledgement.py::test_what_approved_an_earlier_change_approves_no_other",),
    ),
    Fault(
        name="metadata-bounds",
        guard="The parts of an object stay small.",
        where="metadata_refusals",
        before="if size > most and",
        after="if False and",
        caught_by=(f"{_RULES}/test_metadata_limits.py",),
    ),
    Fault(
        name="denied-step",
        guard="A role change that the organization denies is refused.",
        where="transition_refusal",
        before="not is_denied(organization, before, new.spec.role)",
        after="True",
        caught_by=(
            f"{_RULES}/test_role_rules.py::test_a_transition_is_denied_for_a_new_member_and_for_a_change_of_role_only",
        ),
    ),
    Fault(
        name="duplicate-subject",
        guard="A person has one Membership.",
        where="duplicate_refusal",
        before="other.spec.subject == subject",
        after="False",
        caught_by=(f"{_RULES}/test_role_rules.py::test_a_subject_is_a_member_once",),
    ),
)
