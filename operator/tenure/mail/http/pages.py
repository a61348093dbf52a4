"""Renders the accept page with its headers. It has no script, and it loads its own style sheet only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from tenure.domain.resources import Membership, Organization
from tenure.domain.roles import CAPABILITIES
from tenure.domain.text import printable
from tenure.mail.http.words import Words, words_of
from tenure.process.http_pages import page_headers

STYLE = "style.css"
"""The style sheet beside the page. The page names it by a relative path, so it works below any prefix."""

OK, FORBIDDEN, NOT_FOUND, NOT_ALLOWED, BUSY, UNAVAILABLE = 200, 403, 404, 405, 429, 503

_HSTS = {"strict-transport-security": "max-age=31536000"}
_RETRY = {"retry-after": "60"}


@dataclass(frozen=True)
class Invited:
    """The objects of an invitation as the API server has them."""

    membership: Membership
    organization: Organization

    @property
    def words(self) -> Words:
        """The words of the organization's language."""
        invitations = self.organization.spec.invitations
        return words_of(invitations.language if invitations is not None else None)

    @property
    def contact(self) -> str:
        """Whom the person can ask, or an empty text."""
        invitations = self.organization.spec.invitations
        return printable(invitations.contact or "") if invitations is not None else ""

    def fill(self, text: str) -> str:
        """Put the names into a text."""
        return text.format(
            organization=printable(self.organization.spec.display_name or self.organization.name),
            address=printable(self.membership.spec.subject.name),
            role=self.membership.spec.role.value,
        )


@dataclass(frozen=True)
class Pages:
    """Renders the pages."""

    secure: bool
    """Whether people reach the page by HTTPS, so that browsers may insist on it."""

    def invitation(self, invited: Invited, expires: datetime, form: str, *, again: bool = False) -> Response:
        """Return the page on which a person accepts. `again` says that a form was too old or not the page's own."""
        words = invited.words
        levels = CAPABILITIES[invited.membership.spec.role]
        return self._page(
            FORBIDDEN if again else OK,
            words,
            invited.fill(words.invitation),
            [invited.fill(words.invited)],
            notice=words.again if again else "",
            form=form,
            expires=expires,
            allows=invited.fill(words.allows),
            levels=[(name, words.levels[levels[capability]]) for capability, name in words.capabilities.items()],
            contact=invited.contact,
        )

    def accepted(self, invited: Invited) -> Response:
        """Return the page after the acceptance."""
        words = invited.words
        return self._page(OK, words, invited.fill(words.accepted), [invited.fill(words.accepted_text)])

    def dead(self, words: Words) -> Response:
        """Return the page of every link that can't be accepted. It doesn't say why."""
        return self._page(NOT_FOUND, words, words.dead, [words.dead_text, words.dead_advice])

    def busy(self, words: Words) -> Response:
        """Return the page after too many requests."""
        return self._page(BUSY, words, words.busy, [words.busy_text], more=_RETRY)

    def unavailable(self, words: Words) -> Response:
        """Return the page while the API server doesn't answer."""
        return self._page(UNAVAILABLE, words, words.unavailable, [words.unavailable_text], more=_RETRY)

    def style(self) -> Response:
        """Return the style sheet."""
        cached = headers(secure=self.secure) | {"cache-control": "max-age=3600"}
        return Response(_style(), media_type="text/css", headers=cached)

    def _page(
        self,
        status: int,
        words: Words,
        title: str,
        texts: Sequence[str],
        *,
        more: Mapping[str, str] | None = None,
        **values: object,
    ) -> Response:
        defaults = {"notice": "", "form": ""}
        content = (
            environment().get_template("page.html").render(words=words, title=title, texts=texts, **(defaults | values))
        )
        return Response(content, status, headers(secure=self.secure) | dict(more or {}), "text/html")


def headers(*, secure: bool) -> dict[str, str]:
    """Return the headers of every answer. `secure` says whether people come by HTTPS."""
    return page_headers() | (_HSTS if secure else {})


@cache
def environment() -> Environment:
    """Return the templates of the page. Everything that they are given is text, and no markup."""
    return Environment(
        loader=PackageLoader("tenure.mail.http"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


@cache
def _style() -> str:
    source, _, _ = PackageLoader("tenure.mail.http").get_source(environment(), STYLE)
    return source
