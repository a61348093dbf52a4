"""Renders pages as HTML or as JSON. Everything that people wrote is text there, on one line, and no markup."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tenure.console.caller import username_of
from tenure.console.failures import UNAUTHORIZED, Failure
from tenure.console.requests import wants_json
from tenure.domain.admission.acknowledgement import ANNOTATION
from tenure.domain.resources.base import format_time
from tenure.domain.roles import Role
from tenure.domain.text import printable
from tenure.viewmodel import sentences
from tenure.viewmodel.edits import Edit
from tenure.viewmodel.words import age, as_document, as_yaml, remaining

ROWS = 100
"""Maximum number of rows on a page."""

ASSETS: Mapping[str, str] = {"style.css": "text/css", "icon.svg": "image/svg+xml"}
OK = 200


@dataclass(frozen=True)
class Part:
    """The rows of one page of a list.

    Attributes:
        page: The number of the page, from 1.
        pages: Number of pages.
        total: Number of all rows.
    """

    rows: Sequence[Any]
    page: int
    pages: int
    total: int


def part_of(rows: Sequence[Any], page: int) -> Part:
    """Return one page of rows, the last one if there are fewer."""
    pages = max(-(-len(rows) // ROWS), 1)
    number = min(max(page, 1), pages)
    return Part(rows[(number - 1) * ROWS : number * ROWS], number, pages, len(rows))


@dataclass(frozen=True)
class Renderer:
    """Makes answers of pages.

    Attributes:
        read_only: Whether no change is offered.
        edit_url: Address of an object's file in Git, with places for its names, or empty.
        cluster: The cluster in words.
        mail: Whether the console can ask for letters.
        login_url: Where people log in again, or empty for the console's own first page.
    """

    cluster: str
    read_only: bool = False
    edit_url: str = ""
    mail: bool = False
    login_url: str = ""

    def answer(
        self, request: Request, template: str, document: Any, values: Mapping[str, Any], *, status: int = OK
    ) -> Response:
        """Return a page, either the document as JSON or the template with the values."""
        if wants_json(request):
            return JSONResponse(as_document(document), status)
        # Links are relative, so a list of 200 rows doesn't repeat the secret 400 times.
        root = "../" * (request.url.path.count("/") - 1) or "./"
        shared = {
            "root": root,
            "url": partial(url, root),
            "file_of": self.file_of,
            "username": username_of(request),
            "cluster": self.cluster,
            "read_only": self.read_only,
            "mail": self.mail,
            "login": self.login_url or root,
        }
        text = _environment().get_template(template).render({**shared, **values})
        return Response(text, status, media_type="text/html")

    def failure(self, request: Request, failure: Failure) -> Response:
        """Return the page of a failure."""
        document = {"error": " ".join([f"{failure.title}.", *failure.lines]), "changed": failure.changed}
        answer = self.answer(request, "failure.html", document, {"failure": failure}, status=failure.status)
        if failure.status == UNAUTHORIZED:
            answer.headers["www-authenticate"] = "Bearer"
        return answer

    def file_of(self, edit: Edit) -> str:
        """Return the address of an object's file in Git, or empty."""
        places = {"namespace": edit.namespace, "kind": edit.plural, "name": edit.name}
        return self.edit_url.format(**{key: quote(value, safe="") for key, value in places.items()})


def url(root: str, *parts: str, **query: str | int) -> str:
    """Return the address of a page, relative to the one that it is on."""
    path = "".join(f"{quote(part, safe='')}/" for part in parts)
    return f"{root}{path}" + (f"?{urlencode(query)}" if query else "")


def asset(name: str) -> Response:
    """Return a file that the pages load."""
    return Response(_asset(name), media_type=ASSETS[name])


@cache
def _asset(name: str) -> str:
    return files("tenure.console").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("tenure.console"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_on_one_line,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "age": age,
        "exact": _exact,
        "remaining": remaining,
        "about": sentences.about,
        "summary": sentences.summary,
        "in_git": sentences.in_git,
        "dead_keys": sentences.dead_keys,
        "at_once": sentences.at_once,
        "who_lifts": sentences.who_lifts,
        "yaml_lines": _yaml_lines,
        "yaml": _yaml,
        "json": json.dumps,
    }
    made.globals |= {
        "roles": [role.value for role in Role],
        "accepted": sentences.ACCEPTED,
        "rejected": sentences.REJECTED,
        "all_suspended": sentences.ALL_SUSPENDED,
        "tried_alone": sentences.TRIED_ALONE,
        "rows": ROWS,
        "annotation": ANNOTATION,
    }
    return made


def _on_one_line(value: Any) -> Any:
    """Return a value for a template: without invisible characters and marks that change the direction of text."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _exact(moment: datetime) -> str:
    return format_time(moment)


def _yaml(value: Any) -> Markup:
    """Return a document as YAML, or several. YAML has no invisible characters, so its lines stay."""
    documents = value if isinstance(value, list) else [value]
    return escape(as_yaml(*map(as_document, documents)))


def _yaml_lines(document: Any) -> list[str]:
    return as_yaml(as_document(document)).splitlines()
