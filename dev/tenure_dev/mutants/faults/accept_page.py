"""Faults in the signed links of invitations, the accept page, and the API beside it."""

from tenure_dev.mutants.fault import Fault

_LINKS = "tests/unit/domain/invitations/test_links.py"
_REQUESTS = "tests/unit/domain/invitations/test_requests.py"
_SIGNING = "tests/unit/mail/test_signing.py"
_PAGE = "tests/unit/mail/http/test_page.py"
_ACCEPTANCE = "tests/mail/test_acceptance.py"
_API = "tests/mail/test_api.py"

FAULTS = (
    Fault(
        name="link-signature",
        guard="Only a link that one of the keys signed is read.",
        where="read_link",
        before="if not _is_signed(keys, _PURPOSE_LINK, text, mac):",
        after="if False:",
        caught_by=(f"{_LINKS}::test_a_wrong_link_is_not_read",),
    ),
    Fault(
        name="link-one-form",
        guard="A link has one form, so no letter of it can be changed.",
        where="_decode",
        before="return content if _encode(content) == text else None",
        after="return content",
        caught_by=(f"{_LINKS}::test_no_letter_of_a_link_can_be_changed",),
    ),
    Fault(
        name="link-comparison",
        guard="All keys are compared, each in constant time.",
        where="_is_signed",
        before="genuine = [hmac.compare_digest(key.sign(purpose, text), mac) for key in keys]",
        after="genuine = (key.sign(purpose, text) == mac for key in keys)",
        caught_by=(f"{_LINKS}::test_every_comparison_takes_the_same_time",),
    ),
    Fault(
        name="link-generation",
        guard="A link for one role can't accept another one.",
        where="judge",
        before="claim.generation != membership.metadata.generation or ",
        after="",
        caught_by=(f"{_LINKS}::test_a_link_dies_with_what_it_names",),
    ),
    Fault(
        name="link-uid",
        guard="A link dies with its Membership, even if another one of the same name is created.",
        where="judge",
        before="claim.uid != membership.metadata.uid or ",
        after="",
        caught_by=(f"{_LINKS}::test_a_link_dies_with_what_it_names",),
    ),
    Fault(
        name="link-lifetime",
        guard="A link expires.",
        where="judge",
        before=" or now >= claim.expires_at",
        after="",
        caught_by=(f"{_LINKS}::test_a_link_expires",),
    ),
    Fault(
        name="link-once",
        guard="An accepted link is dead.",
        where="judge",
        before="return Standing.JUST_ACCEPTED if now - accepted_at <= REPEATED_WITHIN else Standing.DEAD",
        after="return Standing.JUST_ACCEPTED",
        caught_by=(f"{_LINKS}::test_a_link_dies_with_what_it_names",),
    ),
    Fault(
        name="weak-signing-key",
        guard="A signing key that can be guessed prevents the start.",
        where="SigningKey.__post_init__",
        before="if len(self.secret) < KEY_BYTES:",
        after="if False:",
        caught_by=(f"{_LINKS}::test_a_weak_key_is_refused", f"{_SIGNING}::test_a_weak_key_is_refused_and_not_repeated"),
    ),
    Fault(
        name="form-of-another-site",
        guard="A form of another website accepts nothing.",
        where="is_from_page",
        before="return site == _SAME_ORIGIN",
        after="return True",
        caught_by=(f"{_PAGE}::test_a_form_of_another_page_accepts_nothing",),
    ),
    Fault(
        name="form-of-the-page",
        guard="Only a form that the page made accepts.",
        where="AcceptPage.accept",
        before="if not own or not claim.is_form(form, self.signing.keys, self.clock()):",
        after="if not own:",
        caught_by=(f"{_PAGE}::test_a_form_that_the_page_did_not_make_accepts_nothing",),
    ),
    Fault(
        name="hidden-characters-on-the-page",
        guard="Names on the page have no hidden characters.",
        where="Invited.fill",
        before="organization=printable(self.organization.spec.display_name or self.organization.name),",
        after="organization=self.organization.spec.display_name or self.organization.name,",
        caught_by=(f"{_PAGE}::test_markup_and_hidden_characters_in_names_are_only_text",),
    ),
    Fault(
        name="markup-on-the-page",
        guard="Names on the page are text, and no markup.",
        where="environment",
        before="autoescape=True",
        after="autoescape=False",
        caught_by=(f"{_PAGE}::test_markup_and_hidden_characters_in_names_are_only_text",),
    ),
    Fault(
        name="wrong-links-by-the-hundred",
        guard="An address that tries many links is slowed down.",
        where="AcceptPage._answer",
        before="within = await self._limiter.hit(_WRONG_LIMIT, _WRONG, source_of(request))",
        after="within = True",
        caught_by=(f"{_PAGE}::test_wrong_links_are_limited_and_never_slow_down_a_good_one",),
    ),
    Fault(
        name="request-in-the-same-second",
        guard="A request for a letter is later than the letter before it, so it isn't lost.",
        where="next_request",
        before="return moment if sent is None else max(moment, sent + timedelta(seconds=1))",
        after="return moment",
        caught_by=(f"{_REQUESTS}::test_a_new_request_is_always_pending",),
    ),
    Fault(
        name="acceptance-precondition",
        guard="An acceptance fails if the Membership changed since it was judged.",
        where="write_invitation",
        before='"metadata": {"uid": old.metadata.uid, "resourceVersion": old.metadata.resource_version},',
        after="",
        caught_by=(f"{_ACCEPTANCE}::test_a_change_between_the_read_and_the_write_is_not_accepted",),
    ),
    Fault(
        name="api-right",
        guard="Only callers who may update the Membership get its link.",
        where="InvitationApi._membership",
        before="if not await is_permitted(self.cluster, caller, permission):",
        after="if False:",
        caught_by=(f"{_API}::test_only_who_may_update_the_membership_is_answered",),
    ),
    Fault(
        name="api-caller",
        guard="A caller is whom the API server knows by their token, and not whom the token names.",
        where="InvitationApi._caller",
        before="caller = await authenticate(self.cluster, token, [AUDIENCE])",
        after="caller = Requester(username=name, groups=[])",
        caught_by=(f"{_API}::test_only_who_may_update_the_membership_is_answered",),
    ),
)
