"""The headers of an answer: a member's name is in them as people write it, or percent-encoded."""

from collections.abc import Sequence
from urllib.parse import unquote

import pytest

from support.objects.builders import api_key, issued, membership, organization
from tenure.domain.verification import Code, Decision, Holding
from tenure.verifier.http.answers import details, identity_headers, token_review
from tenure.verifier.verifier import Answer


def answered(role: str = "Member", access: str = "Full", capabilities: Sequence[str] | None = None) -> Answer:
    member, acme = membership(role=role), organization()
    key = issued(api_key(access=access, capabilities=capabilities), member, acme)
    return Answer(Decision(Code.VALID, Holding(key, member, acme)), key_id="8fK2mQ7xLw3Z")


@pytest.mark.parametrize(
    ("role", "access", "capabilities", "sent"),
    [
        ("Owner", "Full", None, "clusters=Full,billing=Full,costs=Full,organization=Full,members=Full"),
        ("Member", "Full", None, "clusters=Full,billing=View,costs=Full"),
        ("Member", "View", None, "clusters=View,billing=View,costs=View"),
        ("Member", "Full", ["costs", "members"], "costs=Full"),
        ("Owner", "View", ["members"], "members=View"),
        ("Viewer", "Full", ["members"], ""),
    ],
)
def test_a_header_has_the_levels_and_only_a_key_without_a_limit_has_its_role_in_one(
    role: str, access: str, capabilities: list[str] | None, sent: str
) -> None:
    headers = dict(identity_headers(answered(role, access, capabilities)))
    assert headers[b"x-tenure-capabilities"] == sent
    assert headers.get(b"x-tenure-role") == (role if capabilities is None else None)
    assert headers[b"x-tenure-access"] == access


@pytest.mark.parametrize("access", ["Full", "View"])
def test_a_token_review_puts_a_narrowed_key_into_no_roles_group(access: str) -> None:
    wide = token_review(answered("Owner", access))["status"]["user"]
    narrow = token_review(answered("Owner", access, ["costs"]))["status"]["user"]
    assert wide["groups"] == ["tenure:acme", "tenure:acme:Owner" if access == "Full" else "tenure:acme:Owner:View"]
    assert narrow["groups"] == ["tenure:acme"]


def test_the_details_of_a_narrowed_key_have_its_own_levels_and_no_role() -> None:
    narrow = details(answered("Owner", "Full", ["costs"]))
    assert (narrow["role"], details(answered("Owner", "Full"))["role"]) == (None, "Owner")
    levels = narrow["capabilities"]
    assert levels == {"clusters": "None", "billing": "None", "costs": "Full", "organization": "None", "members": "None"}


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("alice@acme.io", "alice@acme.io"),
        ("Alice.Doe+ci@Acme.io", "Alice.Doe+ci@Acme.io"),
        ("00u1abcdEFGH", "00u1abcdEFGH"),
        ("arn:aws:iam::123456789012:user/jane", "arn:aws:iam::123456789012:user/jane"),
        ("https://idp.example#jane", "https://idp.example#jane"),
        ("pat.o'brien@acme.example", "pat.o'brien@acme.example"),
        ("Jane Doe", "Jane%20Doe"),
        ("älice@acme.io", "%C3%A4lice@acme.io"),
        ('100%"\\<>', "100%25%22%5C%3C%3E"),
    ],
)
def test_a_header_has_the_name_percent_encoded(name: str, sent: str) -> None:
    member, acme = membership(subject=name), organization()
    holding = Holding(issued(api_key(), member, acme), member, acme)
    headers = dict(identity_headers(Answer(Decision(Code.VALID, holding), key_id="8fK2mQ7xLw3Z")))
    assert headers[b"x-tenure-subject"] == sent
    assert sent.isascii()
    assert unquote(sent) == name
