"""Faults in admission: grants, the last Owner, and that no error lets a change pass."""

from tenure_dev.mutants.fault import Fault

_RULES = "tests/unit/domain/admission"
_AUTHORITY = f"{_RULES}/test_decide_authority.py"
_LAST_OWNER = f"{_RULES}/test_decide_last_owner.py"
_LISTENER = "tests/unit/admission/test_server.py"
_GATHER = "tests/unit/admission/test_gather.py"
_ACT = "tests/unit/admission/test_act.py"
_READ_LEASE = "await read_lease(context.cluster, context.system_namespace, lease_name(namespace))"
_INTAKE = "tests/unit/admission/test_intake.py"

FAULTS = (
    Fault(
        name="fail-closed",
        guard="A change is rejected if the decision fails.",
        where="Answer.fail",
        before="Judgement().refuse(sentence)",
        after="Judgement()",
        caught_by=(f"{_LISTENER}::test_b_61_an_error_denies_and_is_told_to_the_log_alone",),
    ),
    Fault(
        name="unknown-path",
        guard="A review on an unknown path gets 404, and is never allowed.",
        where="Listener._review",
        before='raise web.HTTPNotFound(text=f"Unknown path /{path}\\n")',
        after='return web.json_response({"response": {"allowed": True}})',
        caught_by=(f"{_LISTENER}::test_an_unknown_path_is_not_found",),
    ),
    Fault(
        name="grant-of-former-role",
        guard="To change a role, you need the grant of the old role too.",
        where="membership_grants",
        before="for member in (change.old, change.new) if member is not None",
        after="for member in (change.new or change.old,) if member is not None",
        caught_by=(f"{_RULES}/test_authority.py::test_a_change_of_a_membership_needs_the_grants_of_both_roles",),
    ),
    Fault(
        name="self-promotion",
        guard="You can't raise your own role, even if you may grant the new one.",
        where="raises_itself",
        before="_exceeds(change.new.spec.role, change.old.spec.role)",
        after="False",
        caught_by=(f"{_RULES}/test_authority.py::test_whoever_gets_more_by_their_own_hand_raises_themselves",),
    ),
    Fault(
        name="missing-grant",
        guard="Without the grant of a role, you can't give or take the role.",
        where="_check_grants",
        before="if evidence.missing_grants:",
        after="if False:",
        caught_by=(f"{_AUTHORITY}::test_a_membership_needs_the_grants_of_both_roles",),
    ),
    Fault(
        name="foreign-key",
        guard="To change another member's key, you need the grant of that member's role.",
        where="_check_holder",
        before="if not missing:",
        after="if True:",
        caught_by=(f"{_AUTHORITY}::test_a_key_is_touched_by_its_holder_and_by_whoever_may_grant_the_holders_role",),
    ),
    Fault(
        name="planted-approval",
        guard="To change forRole of another member's key, you need the grants of the old and the new value.",
        where="ApiKeyEvidence.grants",
        before="approved = () if self.is_own else approved_roles(self.change)",
        after="approved: tuple[Role, ...] = ()",
        caught_by=(f"{_AUTHORITY}::test_an_approval_for_a_role_needs_the_grants_of_all_its_roles",),
    ),
    Fault(
        name="lifted-lock",
        guard="Without the grant of your role, you can't lift the suspension of your own key.",
        where="ApiKeyEvidence.asks_for_grants",
        before="return lifts_suspension(self.change)",
        after="return False",
        caught_by=(f"{_AUTHORITY}::test_lifting_a_suspension_needs_the_grant_of_the_members_role",),
    ),
    Fault(
        name="own-name-in-capitals",
        guard="You can't raise your own role, even if the identity provider spells your name in another case.",
        where="raises_itself",
        before="not may_be_own(",
        after="not is_own(",
        caught_by=(f"{_AUTHORITY}::test_a_key_is_ones_own_by_the_very_name_and_a_raise_in_any_case",),
    ),
    Fault(
        name="owners-lease",
        guard="An Owner leaves only with the organization's Lease, which only one Owner can take at a time.",
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
        guard="An Owner can't leave while another Owner's change may still be stored.",
        where="_busy",
        before="if uid not in versions or may_take(",
        after="if True or may_take(",
        caught_by=(f"{_LAST_OWNER}::test_while_another_owner_may_still_go_one_has_to_wait",),
    ),
    Fault(
        name="owners-lease-turn",
        guard="The holder can't renew the Lease while others wait for it.",
        where="may_take",
        before="(alone or now < lease.acquired + _turn(lease))",
        after="True",
        caught_by=(f"{_RULES}/test_owners_turn.py",),
    ),
    Fault(
        name="foreign-metadata",
        guard="A change of metadata needs the same grants as a change of the spec.",
        where="Change.matters",
        before="or self.only_metadata",
        after="",
        caught_by=(f"{_RULES}/test_decide_metadata.py",),
    ),
    Fault(
        name="proven-caller",
        guard="With a client authority, the webhook accepts only its certificates and the self-test.",
        where="Callers.includes",
        before="if not self.certified or certificate:",
        after="if True:",
        caught_by=("tests/unit/admission/test_intake.py",),
    ),
    Fault(
        name="owners-lease-order",
        guard="The Lease is read before the Owners, so that it can be taken only if no Owner left in between.",
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
        guard="If another requester takes the Lease first, the answer says to try again.",
        where="act",
        before="return claim.lost",
        after="return decision.judgement",
        caught_by=(f"{_ACT}::test_whoever_loses_the_lease_is_told_to_try_again",),
    ),
    Fault(
        name="read-failed",
        guard="If a read fails, there is no default, so the review is rejected.",
        where="Context.find",
        before="except ObjectNotFoundError:",
        after="except Exception:",
        caught_by=(f"{_GATHER}::test_whichever_read_fails_there_is_no_evidence",),
    ),
    Fault(
        name="last-owner",
        guard="An Owner whose Membership is being deleted doesn't count as an Owner who stays.",
        where="remaining_owners",
        before="and not member.metadata.deleting",
        after="",
        caught_by=(f"{_RULES}/test_last_owner.py",),
    ),
    Fault(
        name="owner-reference",
        guard="An added owner reference is checked like the deletion that the garbage collector may do.",
        where="Change.gains_owner",
        before="any(owner not in before for owner in after)",
        after="False",
        caught_by=(f"{_RULES}/test_request.py::test_a_new_owner_removes_an_object",),
    ),
    Fault(
        name="spent-acknowledgement",
        guard="An acknowledgement approves only the write that adds it.",
        where="find_flaw",
        before="if after == before:",
        after="if False:",
        caught_by=(f"{_RULES}/test_acknowledgement.py::test_what_approved_an_earlier_change_approves_no_other",),
    ),
    Fault(
        name="metadata-bounds",
        guard="An object's metadata stays within its limits.",
        where="metadata_refusals",
        before="if size > most and",
        after="if False and",
        caught_by=(f"{_RULES}/test_metadata_limits.py",),
    ),
    Fault(
        name="denied-step",
        guard="A role change that the organization denies is rejected.",
        where="transition_refusal",
        before="not is_denied(organization, before, new.spec.role)",
        after="True",
        caught_by=(
            f"{_RULES}/test_role_rules.py::test_a_transition_is_denied_for_a_new_member_and_for_a_change_of_role_only",
        ),
    ),
    Fault(
        name="duplicate-subject",
        guard="A person can't have a second Membership in an organization.",
        where="duplicate_refusal",
        before="other.spec.subject == subject",
        after="False",
        caught_by=(f"{_RULES}/test_role_rules.py::test_a_subject_is_a_member_once",),
    ),
    Fault(
        name="crowded-review",
        guard="A review with so many objects and lists that it would take much memory isn't parsed.",
        where="_parse",
        before='body.count(b"{") + body.count(b"[") > min(MAX_CONTAINERS, len(body) // BYTES_PER_CONTAINER)',
        after="False",
        caught_by=(f"{_INTAKE}::test_what_is_received",),
    ),
    Fault(
        name="large-reviews",
        guard="One large review is judged at a time.",
        where="Intake.received",
        before="self._large if size > LARGE_BYTES else self._ordinary",
        after="self._ordinary",
        caught_by=(f"{_INTAKE}::test_few_reviews_are_judged_at_once_and_one_large_one",),
    ),
    Fault(
        name="try-again",
        guard="A change that can't be checked at the moment is answered so that clients send it again.",
        where="Answer.try_again",
        before="Judgement(busy=sentence)",
        after="Judgement().refuse(sentence)",
        caught_by=(f"{_LISTENER}::test_not_now_is_429_and_no_is_403",),
    ),
    Fault(
        name="withdrawn-approval",
        guard="A service account's key loses its forRole only together with its token.",
        where="approval_refusal",
        before="kind is not SubjectKind.SERVICE_ACCOUNT or",
        after="True or",
        caught_by=(f"{_AUTHORITY}::test_a_service_accounts_key_loses_its_approval_with_its_token_only",),
    ),
    Fault(
        name="own-namespace",
        guard="No organization is in Tenure's own namespace, where a key could be called like the authority's Secret.",
        where="placement_refusals",
        before="if change.namespace == system_namespace:",
        after="if False:",
        caught_by=(f"{_RULES}/test_organization_rules.py::test_an_organization_is_created_in_a_namespace_of_its_own",),
    ),
    Fault(
        name="idle-keys",
        guard="A holder can't create keys without end, whether they work or not.",
        where="idle_refusal",
        before="if present < most:",
        after="if True:",
        caught_by=(
            f"{_RULES}/test_decide_api_key_rules.py::test_a_holder_has_a_limited_number_of_keys_that_dont_work",
        ),
    ),
)
