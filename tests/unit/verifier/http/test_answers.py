"""The headers of an answer: a member's name is in them as people write it, or percent-encoded."""

from urllib.parse import unquote

import pytest

from support.objects.builders import api_key, issued, membership, organization
from tenure.domain.verification import Code, Decision, Holding
from tenure.verifier.http.answers import identity_headers
from tenure.verifier.verifier import Answer


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
