"""The connection to the mail server: what it answers, and how it fails."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
import trustme

from support.objects.letters import invitation_to, inviting, person
from support.programs.mail_server import LOGIN, SENDER, Mailbox, mail_server, settings_of
from tenure.domain.letters.letter import LetterKind
from tenure.mail.letters.message import build_message
from tenure.mail.letters.samples import sample
from tenure.mail.letters.smtp import Answer, Outcome, ServerTroubleError, connector
from tenure.mail.letters.templates import Templates
from tenure.mail_settings import MailServer, SmtpSecurity
from tenure.process.clock import utc_now
from tenure_dev.controlplane import free_ports

TEMPLATES = Templates()


async def send(server: MailServer, *addresses: str) -> list[Answer]:
    """Send an invitation to each address over one connection."""
    answers = []
    async with connector(server)() as smtp:
        for address in addresses:
            letter = invitation_to(person(), inviting(), address)
            rendered = TEMPLATES.render("de", LetterKind.INVITED, sample(LetterKind.INVITED))
            answers.append(await smtp.send(build_message(letter, rendered, SENDER, utc_now())))
    return answers


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def plain(mailbox: Mailbox) -> Iterator[int]:
    with mail_server(mailbox) as port:
        yield port


async def test_a_rejected_recipient_does_not_keep_the_next_letter_from_going_out(mailbox: Mailbox, plain: int) -> None:
    mailbox.rcpt = {"no@acme.io": ["550 5.1.1 no such\tuser <script>"], "later@acme.io": ["451 4.7.1 greylisted"]}
    answers = await send(settings_of(plain), "no@acme.io", "later@acme.io", "alice@acme.io")
    assert answers == [
        Answer(Outcome.REJECTED, "550 5.1.1 no such user <script>"),
        Answer(Outcome.LATER, "451 4.7.1 greylisted"),
        Answer(Outcome.SENT),
    ]
    assert [str(message["To"]) for message in mailbox.messages] == ["alice@acme.io"]


async def test_what_is_rejected_after_its_text_is_told_apart(mailbox: Mailbox, plain: int) -> None:
    mailbox.data = ["554 spam", "452 disk full"]
    answers = await send(settings_of(plain), "a@acme.io", "b@acme.io", "c@acme.io")
    assert [answer.outcome for answer in answers] == [Outcome.REJECTED, Outcome.LATER, Outcome.SENT]


async def test_text_and_html_arrive_in_seven_bits_with_their_umlauts(mailbox: Mailbox, plain: int) -> None:
    await send(settings_of(plain), "alice@acme.io")
    (message,) = mailbox.messages
    assert message.as_bytes().isascii()
    text, html = message.iter_parts()
    assert "öffnen Sie diesen Link" in text.get_content()
    assert "öffnen Sie diesen Link" in html.get_content()
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == f"<{person().metadata.uid}.1.invited@acme.io>"


async def test_an_address_that_is_not_ascii_needs_a_server_that_takes_it(mailbox: Mailbox, plain: int) -> None:
    assert await send(settings_of(plain), "jörg@acme.io") == [Answer(Outcome.SENT)]
    assert mailbox.recipients == ["jörg@acme.io"]


async def test_a_rejected_sender_is_trouble_with_the_server_and_no_fault_of_a_letter(
    mailbox: Mailbox, plain: int
) -> None:
    mailbox.mail = ["550 5.7.1 not allowed"]
    with pytest.raises(ServerTroubleError, match=r"doesn't take letters from tenure@acme\.io: 550 5\.7\.1 not allowed"):
        await send(settings_of(plain), "alice@acme.io")


async def test_nobody_knows_what_became_of_a_letter_whose_answer_does_not_come(mailbox: Mailbox, plain: int) -> None:
    mailbox.hold = Event()
    try:
        (answer,) = await send(settings_of(plain, timeout=1.0), "alice@acme.io")
    finally:
        mailbox.hold.set()
    assert answer.outcome is Outcome.UNKNOWN
    assert len(mailbox.messages) == 1


async def test_a_recipient_about_whom_the_server_says_nothing_is_no_trouble_with_the_server(
    mailbox: Mailbox, plain: int
) -> None:
    mailbox.hold, mailbox.silent = Event(), {"slow@tarpit.example"}
    letter = invitation_to(person(), inviting(), "slow@tarpit.example")
    rendered = TEMPLATES.render("en", LetterKind.INVITED, sample(LetterKind.INVITED))
    try:
        async with connector(settings_of(plain, timeout=1.0))() as smtp:
            answer = await smtp.send(build_message(letter, rendered, SENDER, utc_now()))
            assert (answer.outcome, smtp.usable) == (Outcome.LATER, False)
    finally:
        mailbox.hold.set()
    assert await send(settings_of(plain), "alice@acme.io") == [Answer(Outcome.SENT)]


async def test_a_server_that_is_down_or_says_nothing_is_trouble() -> None:
    (port,) = free_ports(1)
    with pytest.raises(ServerTroubleError, match=f"^localhost:{port}: "):
        await send(settings_of(port), "alice@acme.io")
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ServerTroubleError):
        await send(settings_of(silent.getsockname()[1], timeout=1.0), "alice@acme.io")


# aiosmtpd warns of a login without STARTTLS even over TLS, and doesn't close the transport below STARTTLS.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def serving(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def trusted(authority: trustme.CA, folder: Path) -> Path:
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.mark.filterwarnings("ignore:Requiring AUTH", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("security", [SmtpSecurity.STARTTLS, SmtpSecurity.TLS])
async def test_letters_go_through_tls_with_a_login(
    mailbox: Mailbox, authority: trustme.CA, tmp_path: Path, security: SmtpSecurity
) -> None:
    at_once = security is SmtpSecurity.TLS
    for name, content in zip(("username", "password"), LOGIN, strict=True):
        (tmp_path / name).write_text(f"{content}\n")
    with mail_server(mailbox, context=serving(authority), at_once=at_once, login=True) as port:
        server = settings_of(port, security, ca_file=trusted(authority, tmp_path), credentials=tmp_path, timeout=20.0)
        assert await send(server, "alice@acme.io") == [Answer(Outcome.SENT)]
        (tmp_path / "password").write_text("wrong")
        with pytest.raises(ServerTroubleError, match="535"):
            await send(server, "alice@acme.io")
    assert len(mailbox.messages) == 1


async def test_without_starttls_no_letter_goes_out(mailbox: Mailbox, plain: int) -> None:
    with pytest.raises(ServerTroubleError, match="STARTTLS"):
        await send(settings_of(plain, SmtpSecurity.STARTTLS), "alice@acme.io")
    assert mailbox.recipients == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_certificate_of_another_name_or_authority_is_refused(
    mailbox: Mailbox, authority: trustme.CA, tmp_path: Path
) -> None:
    ca_file = trusted(authority, tmp_path)
    for context in (serving(authority, "other.acme.io"), serving(trustme.CA())):
        with mail_server(mailbox, context=context) as port, pytest.raises(ServerTroubleError, match=r"(?i)certificate"):
            await send(settings_of(port, SmtpSecurity.STARTTLS, ca_file=ca_file), "alice@acme.io")
    assert mailbox.recipients == []


async def test_files_that_are_not_there_are_trouble_that_names_them(plain: int, tmp_path: Path) -> None:
    server = settings_of(plain, SmtpSecurity.STARTTLS, credentials=tmp_path)
    with pytest.raises(ServerTroubleError, match=f"{tmp_path}/username"):
        await asyncio.wait_for(send(server, "alice@acme.io"), 60)
