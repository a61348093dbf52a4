"""Faults in the verifier: its index, the proof of freshness, and the callers that may see details."""

from tenure_dev.mutants.fault import Fault

_INDEX = "tests/unit/verifier/test_index.py"
_FRESHNESS = "tests/unit/verifier/test_freshness.py"
_VERIFIER = "tests/unit/verifier/test_verifier.py"
_VERIFICATION = "tests/unit/domain/test_verification.py"
_ROLES = "tests/unit/domain/test_roles.py"
_ANSWERS = "tests/unit/verifier/http/test_answers.py"
_REQUESTS = "tests/unit/verifier/http/test_requests.py"
_NAMESPACES = f"{_VERIFIER}::test_keys_of_one_namespace_work_without_rights_in_another"
_OWN_NAMESPACE = f"{_VERIFIER}::test_a_key_is_unsure_without_rights_in_its_own_namespace"

FAULTS = (
    Fault(
        name="before-first-list",
        guard="The verifier answers no question before it has listed all objects.",
        where="Verifier.verify",
        before="if reason := self._why_not_sure(answer, question):",
        after='if reason := "":',
        caught_by=(f"{_VERIFIER}::test_nothing_is_said_before_everything_was_listed",),
    ),
    Fault(
        name="staleness",
        guard="The verifier answers 503, and never valid, if its proof of freshness is too old.",
        where="Verifier._why_stale",
        before="if age <= self._max_staleness:",
        after='if age < float("inf"):',
        caught_by=("tests/verifier/test_freshness.py::test_a_store_that_stands_still_makes_it_say_nothing",),
    ),
    Fault(
        name="dead-watch",
        guard="A watch without events proves no freshness. Only a version that it has reached does.",
        where="Freshness.ask",
        before="self.reach(feed, self._reached[feed])",
        after="self.reach(feed, version)",
        caught_by=(f"{_FRESHNESS}::test_a_question_is_a_proof_once_the_feed_has_come_as_far",),
    ),
    Fault(
        name="verifier-restored-etcd",
        guard="If the resourceVersion decreases, etcd was restored, and the verifier lists all objects again.",
        where="Freshness.ask",
        before="if went_back(reached, version):",
        after="if False:",
        caught_by=(f"{_FRESHNESS}::test_a_store_that_went_back_is_noticed_and_a_feed_that_is_ahead_is_not",),
    ),
    Fault(
        name="replaced-hash",
        guard="A replaced token can't be found any more.",
        where="Index._index_key",
        before="if known is not None and known.metadata == view.metadata:",
        after="if False:",
        caught_by=(f"{_INDEX}::test_a_new_token_takes_the_place_of_the_old_one",),
    ),
    Fault(
        name="wrong-secret",
        guard="The public id of a revoked key isn't enough to get its code: the secret is compared too.",
        where="look_up",
        before="hmac.compare_digest((stored or _DUMMY).encode(), presented.encode())",
        after="True",
        caught_by=(f"{_VERIFIER}::test_a_secret_is_proven_by_its_hash_alone",),
    ),
    Fault(
        name="capability",
        guard="A token allows only the capabilities of its role and its access.",
        where="_missing",
        before="_reach(decision, asked) >= level",
        after="True",
        caught_by=(_VERIFICATION,),
    ),
    Fault(
        name="level-alone",
        guard="A View key never has the level Full, even if the question names no capability.",
        where="_missing",
        before="if asked is None and level is Level.VIEW:",
        after="if asked is None:",
        caught_by=(f"{_VERIFICATION}::test_a_level_without_a_capability_needs_one_capability_of_that_level",),
    ),
    Fault(
        name="decoded-path",
        guard="The question in the path is parsed as it was sent, so a client's part of the path can't change it.",
        where="read_head",
        before="raw[len(_PATH_PREFIX) :]",
        after='scope["path"].encode()[len(_PATH_PREFIX) :]',
        caught_by=(f"{_REQUESTS}::test_a_path_that_asks_nothing_clear_is_refused",),
    ),
    Fault(
        name="other-namespaces-list",
        guard="A list of one namespace removes no keys of another namespace.",
        where="Index.replace",
        before="if namespace is None or place[0] == namespace",
        after="",
        caught_by=(f"{_INDEX}::test_a_list_of_one_namespace_leaves_the_others_alone",),
    ),
    Fault(
        name="other-organization",
        guard="A token is rejected in another organization.",
        where="_missing",
        before='        return "organization"\n',
        after='        return ""\n',
        caught_by=(_VERIFICATION,),
    ),
    Fault(
        name="other-namespaces-rights",
        guard="Lost rights in one namespace leave the answers about keys of the others as they are.",
        where="Verifier._why_not_sure",
        before="if namespace in self._feeds:",
        after="if False:",
        caught_by=(_NAMESPACES,),
    ),
    Fault(
        name="stale-namespace",
        guard="A key whose own namespace is stale is answered 503, however fresh the others are.",
        where="Verifier._why_not_sure",
        before="self._age(namespace)",
        after="min(map(self._age, self._places))",
        caught_by=(_OWN_NAMESPACE,),
    ),
    Fault(
        name="unknown-token",
        guard="A token is unknown only if the data of all namespaces is fresh.",
        where="Verifier._why_not_sure",
        before="max(map(self._age, self._places))",
        after="min(map(self._age, self._places))",
        caught_by=(_NAMESPACES,),
    ),
    Fault(
        name="narrowed-level",
        guard="A narrowed key has no level of a capability that it doesn't list.",
        where="level_of",
        before="if only is not None and capability not in only:",
        after="if False:",
        caught_by=(
            f"{_ROLES}::test_a_limited_key_opens_what_its_role_and_access_open_of_the_listed_ones_and_nothing_else",
        ),
    ),
    Fault(
        name="narrowed-question",
        guard="A narrowed key passes no question that names no capability.",
        where="_missing",
        before="if asked is None and decision.narrowed_to is not None and not question.only_identity:",
        after="if False:",
        caught_by=(f"{_VERIFICATION}::test_a_narrowed_key_is_refused_unless_a_capability_is_asked_for",),
    ),
    Fault(
        name="narrowed-group",
        guard="A token review names no role's group for a narrowed key, because that group has the role's rights.",
        where="token_review",
        before="if decision.narrowed_to is None:",
        after="if True:",
        caught_by=(f"{_ANSWERS}::test_a_token_review_puts_a_narrowed_key_into_no_roles_group",),
    ),
    Fault(
        name="narrowed-role-header",
        guard="A proxy passes on no role of a narrowed key, because applications decide by it.",
        where="identity_headers",
        before="if role is not None and only is None:",
        after="if role is not None:",
        caught_by=(f"{_ANSWERS}::test_a_header_has_the_levels_and_only_a_key_without_a_limit_has_its_role_in_one",),
    ),
)
