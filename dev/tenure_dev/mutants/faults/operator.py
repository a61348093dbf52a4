"""Faults in how the operator reads and writes. Where only a run shows them, the one test is named that does."""

from tenure_dev.mutants.fault import Fault

_SECRETS = "tests/e2e/test_secrets.py"
_RESTORE = "tests/recovery/test_etcd_restore.py"

FAULTS = (
    Fault(
        name="fresh-read",
        guard="A consistent read is shared only by those who asked before it started.",
        where="SharedReads.get",
        before="if outcome is not None and started >= since:",
        after="if outcome is not None:",
        caught_by=(
            "tests/unit/controller/test_shared_reads.py::test_whoever_asked_after_it_started_gets_another_read",
        ),
    ),
    Fault(
        name="proof-left-out",
        guard="No token is ended by what the cache says: the Membership is read first.",
        where="ApiKeys.reconcile",
        before="if plan.needs_proof:",
        after="if plan.needs_fresh_read:",
        caught_by=("tests/e2e/test_interleavings.py::test_a_key_belongs_to_the_role_that_was_stored_before_it",),
    ),
    Fault(
        name="list-as-proof",
        guard="An object that a list lacks counts as gone only once a read by name says so.",
        where="Sweep._is_gone",
        before="found = await self._context.cluster.get(type(known), known.namespace, known.name)",
        after="return True",
        caught_by=("tests/e2e/test_no_mass_deletion.py::test_an_empty_list_deletes_nothing[everything]",),
    ),
    Fault(
        name="missing-definition",
        guard="A 404 for a kind that isn't served says nothing about an object.",
        where="_error_class",
        before='return ObjectNotFoundError if details.get("name") else KindNotServedError',
        after="return ObjectNotFoundError",
        caught_by=("tests/unit/kube/test_answers.py::test_a_refusal_is_an_error_of_its_kind",),
    ),
    Fault(
        name="secret-delete-uid",
        guard="A Secret is deleted with its uid as a precondition: another one of the same name stays.",
        where="Cluster.delete_secret",
        before='{"uid": uid}',
        after="{}",
        caught_by=("tests/e2e/test_role_change.py::test_the_secret_goes_first_then_the_key_each_guarded_by_its_uid",),
    ),
    Fault(
        name="key-delete-version",
        guard="An ApiKey is deleted with its resourceVersion as a precondition: one changed since then stays.",
        where="Cluster.delete",
        before='{} if any_version else {"resourceVersion": old.metadata.resource_version}',
        after="{}",
        caught_by=(
            "tests/recovery/test_revoke_faults.py::test_a_key_that_is_issued_anew_in_between_keeps_its_new_token",
        ),
    ),
    Fault(
        name="late-status",
        guard="A status is written with the resourceVersion that was read: a paused process changes nothing later.",
        where="Cluster.update_status",
        before='{"uid": old.metadata.uid, "resourceVersion": old.metadata.resource_version}',
        after='{"uid": old.metadata.uid}',
        caught_by=("tests/e2e/test_failover.py::test_a_late_write_fails",),
    ),
    Fault(
        name="foreign-secret",
        guard="A Secret that isn't the key's own is left alone.",
        where="_refuse_foreign",
        before="if facts is not None and not facts.is_owned_by(key):",
        after="if False:",
        caught_by=(f"{_SECRETS}::test_foreign_secrets_are_left_alone_and_their_keys_go_on_once_these_are_gone",),
    ),
    Fault(
        name="confirmation",
        guard="A Secret that the status doesn't name goes only if the ApiKey at hand is the latest.",
        where="confirm",
        before="if latest.metadata.resource_version != key.metadata.resource_version:",
        after="if False:",
        caught_by=("tests/e2e/test_two_operators.py::test_an_operator_that_lags_ends_no_live_key",),
    ),
    Fault(
        name="sweep",
        guard="Everything is listed again and again, so that no event needs to be seen.",
        where="Controller._resync",
        before="await self.look_around()",
        after="pass",
        caught_by=("tests/e2e/test_deletion.py::test_orphaning_that_no_watch_shows_leaves_no_secret",),
    ),
    Fault(
        name="secret-drift",
        guard="The Secret of each key is read in every sweep, and a deleted or edited one is replaced.",
        where="ApiKeys.reconcile",
        before="await self._read_secret(item.ref) if item.checked else None",
        after="None",
        caught_by=(f"{_SECRETS}::test_our_secret_replaced_by_a_foreign_one_is_a_conflict_until_that_is_gone",),
    ),
    Fault(
        name="late-answer",
        guard="A slow answer doesn't bring back an object whose end a watch told.",
        where="Mirror.put",
        before="if new.metadata.uid in self._gone:",
        after="if False:",
        caught_by=("tests/unit/controller/test_cache.py::test_a_slow_answer_does_not_bring_back_what_a_watch_saw_end",),
    ),
    Fault(
        name="restored-etcd",
        guard="A resourceVersion that goes back is a restored etcd, and the cache is dropped.",
        where="Sweep._notice_restore",
        before="if version >= before:",
        after="if True:",
        caught_by=(f"{_RESTORE}::test_operator_and_webhooks_that_ran_throughout_go_on_with_what_was_restored",),
    ),
    Fault(
        name="former-holder",
        guard="Before a Secret is created, every Role that opens its name to somebody else is closed.",
        where="ApiKeys._issue",
        before="await self._context.before_issue(seen.api_key)",
        after="pass",
        caught_by=(
            "tests/e2e/access/test_obstacles.py::test_where_a_secret_can_not_be_closed_its_key_waits_and_says_so",
        ),
    ),
    Fault(
        name="election-deadline",
        guard="A leader stops well before another replica may begin.",
        where="Timing.deadline",
        before="self.lease * 2 / 3",
        after="self.lease * 2",
        caught_by=("tests/unit/kube/test_election.py::test_a_leader_stops_before_another_may_begin",),
    ),
    Fault(
        name="election-wait",
        guard="A replica takes a Lease that somebody holds only once it is over.",
        where="Election._try_acquire",
        before="if not held or self._loop.time() >= self._seen_at + self._seen.seconds:",
        after="if True:",
        caught_by=(
            "tests/e2e/test_election.py::test_a_dead_holder_is_waited_for_as_long_as_the_lease_lasts_whatever_its_clock",
        ),
    ),
    Fault(
        name="quoted-token",
        guard="An answer of the API server that quotes a token is stripped of it before it is logged.",
        where="Cluster.create_secret",
        before='_without_values(error, body["data"].values()) from None',
        after="error",
        caught_by=("tests/e2e/test_leaks.py::test_an_answer_that_quotes_the_token_leaks_nothing",),
    ),
)
