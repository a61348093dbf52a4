"""What a letter says of its member and keys, and the message that it becomes."""

from datetime import date, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from support.objects.builders import NOW, api_key, issued, membership, with_status
from support.objects.letters import invitation_to, inviting, person, role_change
from tenure.domain.invitations.links import SigningKey, read_link
from tenure.domain.letters.letter import Letter, LetterKind
from tenure.mail.letters.content import MAX_LISTED, values_of
from tenure.mail.letters.desk import Desk
from tenure.mail.letters.message import build_message
from tenure.mail.letters.templates import Rendered, Templates

TEMPLATES = Templates()
KEY = SigningKey(bytes(range(32)))
DESK = Desk(TEMPLATES, "Acme <tenure@acme.io>", "https://acme.io/t", lambda: [KEY])


def received(message: EmailMessage) -> EmailMessage:
    """The message as it arrives."""
    found = message_from_bytes(message.as_bytes(), policy=default)
    assert isinstance(found, EmailMessage)
    return found


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def test_the_headers_say_that_a_program_wrote_it_and_name_the_letter() -> None:
    message, _ = DESK.write(invitation_to(person(), inviting()), NOW)
    found = received(message)
    assert found["From"] == "Acme <tenure@acme.io>"
    assert found["To"] == "alice@acme.io"
    assert found["Date"].datetime == NOW
    assert found["Auto-Submitted"] == "auto-generated"
    assert found["List-Id"] == '"acme" <acme.tenure.acme.io>'
    assert found["Message-ID"] == f"<{person().metadata.uid}.1.invited@acme.io>"
    assert [part.get_content_type() for part in found.iter_parts()] == ["text/plain", "text/html"]


def test_the_link_is_for_this_role_and_only_if_it_has_to_be_accepted() -> None:
    member = person(generation=3)
    organization = inviting(mode="RequireAcceptance", expiresAfter="2h")
    message, expires_at = DESK.write(invitation_to(member, organization), NOW)
    text = text_of(received(message))
    token = text.partition("https://acme.io/t/invitations/")[2].split()[0]
    claim = read_link(token, [KEY])
    assert claim is not None
    assert (claim.uid, claim.generation) == (member.metadata.uid, 3)
    assert claim.expires_at == expires_at == NOW + timedelta(hours=2)
    message, expires_at = DESK.write(invitation_to(member, inviting()), NOW)
    assert "/invitations/" not in text_of(received(message))
    assert expires_at is None


def test_a_letter_about_a_role_change_has_its_keys() -> None:
    key = {"name": "laptop", "keyId": "8fK2", "description": "my <b>", "fate": "Reissued"}
    member = person(generation=2, change=role_change(2, NOW, key))
    values = values_of(Letter(LetterKind.ROLE_CHANGED, inviting(), member, "a@acme.io", "2"), None, NOW)
    assert values["former_role"] == "Owner"
    assert [(one["name"], one["description"], one["reissued"]) for one in values["keys"]] == [("laptop", "my b", True)]


@pytest.mark.parametrize(
    ("used", "known", "says"),
    [
        (date(2027, 2, 21), True, ("2027-02-21", None)),
        (date(2027, 2, 21), False, ("2027-02-21", None)),
        (None, True, (None, "2027-01-04")),
        (None, False, (None, None)),
    ],
)
def test_the_last_use_of_a_key_is_told_if_it_is_known(
    used: date | None,
    known: bool,  # noqa: FBT001 - a column of the table
    says: tuple[str | None, str | None],
) -> None:
    organization = inviting()
    status = organization.status.model_copy(update={"usage_since": NOW - timedelta(days=90), "usage_until": NOW.date()})
    organization = with_status(organization, status) if known else organization
    key = issued(api_key("laptop", description="x" * 256), membership(), organization)
    key = with_status(key, key.status.model_copy(update={"last_used": used, "expires_at": NOW}))
    letter = Letter(LetterKind.KEYS_EXPIRING, organization, person(), "a@acme.io", "1", (key,) * 50)
    values = values_of(letter, None, NOW)
    first = values["keys"][0]
    assert (first["last_used"], first["unused_since"]) == says
    assert first["expires"] == "2027-02-22 08:30 UTC"
    assert len(first["description"]) == 120
    assert (len(values["keys"]), values["more_keys"]) == (MAX_LISTED, 50 - MAX_LISTED)
    message, _ = DESK.write(letter, NOW)
    assert key.status.hash is not None
    assert key.status.hash not in text_of(received(message))


ATTACKS = ["Acme\r\nBcc: all@acme.io", "\u202eemca", "<script>x</script>", "x" * 10_000, "https://evil.example"]


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("kind", LetterKind)
def test_no_name_makes_a_header_or_a_link(name: str, kind: LetterKind) -> None:
    organization = inviting()
    spec = organization.spec.model_copy(update={"display_name": name})
    organization = organization.model_copy(update={"spec": spec})
    key = issued(api_key("evil.example"), membership(), organization)
    key = key.model_copy(update={"spec": key.spec.model_copy(update={"description": name})})
    letter = Letter(kind, organization, person(change=role_change(1, NOW)), "alice@acme.io", "1", (key,))
    message, _ = DESK.write(letter, NOW)
    found = received(message)
    assert found["Bcc"] is None
    assert found.keys() == received(DESK.write(invitation_to(person(), inviting()), NOW)[0]).keys()
    everything = found.as_string() + text_of(found)
    assert "evil.example" not in everything
    assert "<script" not in everything
    assert "\u202e" not in text_of(found)
    assert len(found["Subject"]) < 200


def test_a_line_break_in_a_header_is_refused() -> None:
    rendered = Rendered("en", "Hello\r\nBcc: all@acme.io", "text", "html")
    with pytest.raises(ValueError, match="linefeed"):
        build_message(invitation_to(person(), inviting()), rendered, "tenure@acme.io", NOW)
