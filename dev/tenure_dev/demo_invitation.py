"""The act of the demo in which an invitation arrives and is accepted, with a mail server in the demo's own process."""

import email
import email.policy
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import NamedTuple

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tenure.domain.conditions import ready_reason
from tenure_dev.controlplane import free_ports
from tenure_dev.processes import wait_until
from tenure_dev.snapshot import Snapshot
from tenure_dev.stage import NAMESPACE, WITHIN, Demo, StepFailedError

_LINK = re.compile(r"http://127\.0\.0\.1:\d+/invitations/[\w-]+")
_FORM = re.compile(r'name="form" value="([^"]+)"')
_OK, _DEAD = 200, 404


@dataclass
class Letters:
    """A mail server that keeps the letters that it gets."""

    port: int
    received: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Take a letter."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self.received.append(email.message_from_bytes(content, policy=email.policy.default))
        return "250 Taken"


@contextmanager
def receiving() -> Iterator[Letters]:
    """Run a mail server on a free port of the loopback while the block runs."""
    (port,) = free_ports(1)
    letters = Letters(port)
    controller = Controller(letters, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield letters
    finally:
        controller.stop()


def invite(demo: Demo, letters: Letters) -> None:
    """Invite Carol, show her letter, and accept. Then the key that waits for her is issued."""
    mode = '{"spec":{"invitations":{"mode":"RequireAcceptance"}}}'
    demo.run("patch", "organization", "acme", "-n", NAMESPACE, "--type=merge", f"-p={mode}")
    demo.wait("acme invites", lambda now: all(one.status.acceptance_since for one in now.organizations))
    demo.run("apply", "--filename", "dev/demo/carol.yaml")
    demo.wait("carol-cli waits", lambda now: _reason(now) == "InvitationPending")
    if not wait_until(lambda: bool(letters.received), within=WITHIN):
        raise StepFailedError("expected: a letter to carol@acme.io. None arrived")
    letter = letters.received[0]
    link = _link_of(letter)
    demo.say(f"    carol-cli waits: {_reason(demo.look())}. Meanwhile this letter arrived:")
    demo.say(f"      [dim]To: {letter['To']}   Subject: {letter['Subject']}[/dim]")
    demo.say(f"      [dim]{link[:60]}…[/dim]")
    first, page = _read(link), _read(link)
    demo.expect("the page is shown twice, as to a mail scanner", holds=first.status == page.status == _OK)
    demo.expect("carol hasn't accepted by that", holds=_reason(demo.look()) == "InvitationPending")
    found = _FORM.search(page.text)
    _read(link, {"form": found[1] if found else ""})
    demo.wait("carol-cli issued", lambda now: _reason(now) == "Issued" and "carol-cli" in now.tokens)
    demo.say("    A mail scanner looked at the page, and it stayed so. Carol pressed the button: carol-cli is Issued.")
    demo.expect("the link is dead", holds=_read(link).status == _DEAD)


class _Page(NamedTuple):
    status: int
    text: str


def _link_of(letter: EmailMessage) -> str:
    body = letter.get_body(("plain",))
    found = _LINK.search(str(body.get_content())) if body is not None else None
    if found is None:
        raise StepFailedError("expected: a link in the letter. There is none")
    return found[0]


def _read(link: str, form: Mapping[str, str] | None = None) -> _Page:
    """Open a page, or send its form."""
    data = None if form is None else urllib.parse.urlencode(form).encode()
    try:
        with urllib.request.urlopen(link, data, timeout=WITHIN) as answer:  # noqa: S310 - our own
            return _Page(answer.status, answer.read().decode())
    except urllib.error.HTTPError as error:
        return _Page(error.code, "")


def _reason(now: Snapshot) -> str | None:
    key = now.keys.get("carol-cli")
    return None if key is None else ready_reason(key.status.conditions)
