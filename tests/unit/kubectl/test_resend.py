"""`invite --resend`: what is asked of the mail process, and what its answers mean."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from support.objects.builders import membership
from support.objects.snapshots import snapshot
from tenure.kube.letters import ask
from tenure.kubectl.formats import WrongUsageError
from tenure.kubectl.options import InviteOptions
from tenure.kubectl.resend import resend
from tenure.viewmodel.errors import ViewError
from tenure.viewmodel.letters import find_members


@asynccontextmanager
async def mail(status: int, body: str) -> AsyncIterator[tuple[str, list[tuple[str, str]]]]:
    """Answer every request alike, and note its path and its token."""
    asked: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.path, request.headers["Authorization"]))
        return web.Response(status=status, text=body, content_type="application/json", headers={"Location": "/other"})

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/tenure/", asked
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "body", "requested", "error", "impossible"),
    [
        (202, '{"requestedAt": "2027-02-22T08:30:00Z"}', "2027-02-22T08:30:00Z", "", False),
        (409, '{"error": "alice has accepted the invitation"}', None, "alice has accepted the invitation", True),
        (403, '{"error": "inviter lacks update"}', None, "inviter lacks update", False),
        (307, "{}", None, "HTTP 307", False),
        (200, "<html>", None, "Check --mail-url", False),
        (404, "<html>", None, "HTTP 404, and the answer isn't one of the mail process", False),
        (200, "[]", None, "the answer isn't one of the mail process", False),
    ],
)
async def test_the_answer_of_the_mail_process(
    status: int, body: str, requested: str | None, error: str, *, impossible: bool
) -> None:
    async with mail(status, body) as (url, asked), aiohttp.ClientSession() as session:
        said = await ask(session, url, "abc", "acme", "alice")
    assert asked == [("/tenure/v1/invitations/acme/alice:resend", "Bearer abc")]
    assert (said.requested_at, said.impossible) == (requested, impossible)
    assert error in said.error
    assert bool(said.error) is bool(error)


async def test_a_process_that_is_away_is_named() -> None:
    async with aiohttp.ClientSession() as session:
        said = await ask(session, "http://127.0.0.1:1", "abc", "acme", "alice")
    assert said.error.startswith("http://127.0.0.1:1/v1/invitations/acme/alice:resend: ")


def test_members_are_given_by_name_or_address() -> None:
    there = snapshot(membership("alice"), membership("bob"))
    assert find_members(there, ["ALICE@acme.io", "bob", "alice"]) == ["alice", "bob"]
    with pytest.raises(ViewError, match="no Membership 'zoe'"):
        find_members(there, ["zoe"])


@pytest.mark.parametrize(
    ("url", "account", "says"),
    [
        ("", "", "needs --mail-url"),
        ("http://join.acme.io", "mailer", "isn't an https address"),
        ("join.acme.io", "mailer", "isn't an https address"),
    ],
)
def test_no_token_goes_where_others_could_read_it(url: str, account: str, says: str) -> None:
    options = InviteOptions(addresses=("alice",), resend=True, mail_url=url, service_account=account)
    with pytest.raises(WrongUsageError, match=says):
        resend(options)
