"""Faults in the letters: who gets one, how often, and what is remembered of it."""

from tenure_dev.mutants.fault import Fault

_DUE = "tests/unit/domain/letters/test_due.py"
_LIMITS = "tests/unit/domain/letters/test_limits.py"
_LEDGER = "tests/unit/domain/letters/test_ledger.py"
_WORDS = "tests/unit/domain/letters/test_words.py"
_TEMPLATES = "tests/unit/mail/letters/test_templates.py"

FAULTS = (
    Fault(
        name="letters-of-the-past",
        guard="A role change from before the notice was switched on, or from before a restore, is told by no letter.",
        where="_role_changes",
        before="if since < change.at <= evidence.now",
        after="if change.at <= evidence.now",
        caught_by=(f"{_DUE}::test_a_letter_about_a_role_change_is_due",),
    ),
    Fault(
        name="letters-in-a-loop",
        guard="An address gets one letter of a kind in 24 hours, even if its Membership is created again and again.",
        where="_Windows._of",
        before="mine = limits.resends_a_day if resent else 1",
        after="mine = limits.resends_a_day if resent else 2",
        caught_by=(f"{_LIMITS}::test_deleting_and_creating_in_a_loop_sends_one_letter_a_day",),
    ),
    Fault(
        name="letters-to-tags",
        guard="All +tags of an address are one mailbox.",
        where="normalised",
        before="""local.partition("+")[0] or local""",
        after="local",
        caught_by=(f"{_LIMITS}::test_case_and_tags_make_no_other_address",),
    ),
    Fault(
        name="letters-in-a-crash-loop",
        guard="A letter whose outcome is unknown is sent five times at most.",
        where="sort_out",
        before="if known.tries < MAX_TRIES or now >= known.at + DAY:",
        after="if known is not None:",
        caught_by=(f"{_LIMITS}::test_a_crash_loop_sends_a_letter_five_times_and_then_waits",),
    ),
    Fault(
        name="letters-ledger-forgets",
        guard="What was sent in the last 24 hours is remembered across restarts.",
        where="_kept",
        before="return KEPT_INVITATION if",
        after="return KEPT_INVITATION / 25 if",
        caught_by=(f"{_LEDGER}::test_entries_are_forgotten_once_no_letter_needs_them",),
    ),
    Fault(
        name="letters-role-change-as-revocation",
        guard="A letter about revoked keys isn't sent for those of a role change.",
        where="was_revoked",
        before="return validity(gone.api_key, membership, organization, gone.at) in {Verdict.VALID, Verdict.SUSPENDED}",
        after="return membership is not None",
        caught_by=(f"{_DUE}::test_a_letter_about_a_revoked_key_is_due",),
    ),
    Fault(
        name="letters-with-links",
        guard="A name in a letter has no characters that mail programs make links of.",
        where="_is_plain",
        before="return one in _SIGNS or",
        after='return one in _SIGNS or one == "." or',
        caught_by=(f"{_WORDS}::test_a_name_keeps_letters_digits_blanks_and_a_few_signs",),
    ),
    Fault(
        name="letters-markup",
        guard="Values in HTML letters are escaped.",
        where="Templates.__init__",
        before='autoescape=lambda name: name is not None and name.endswith(".html"),',
        after="autoescape=False,",
        caught_by=(f"{_TEMPLATES}::test_markup_in_a_value_is_escaped",),
    ),
)
