"""Renders letters by Jinja's sandbox, from the shipped templates or from those of a folder.

A folder is a language. The first line of a text is the subject. A file of `--templates` replaces the shipped one of
the same name. A ConfigMap's keys can't have a slash, so `de.invited.txt` stands for `de/invited.txt`.
"""

import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateError, TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tenure.domain.letters.letter import LetterKind
from tenure.errors import StartRefusedError
from tenure.mail.letters.content import file_of, needed_names
from tenure.mail.letters.samples import sample_values

SHIPPED = Path(__file__).parent / "templates"
ENGLISH = "en"

_LARGEST_FILE = 100_000
_LARGEST_LETTER = 200_000


@dataclass(frozen=True)
class Rendered:
    """A letter's text in its language."""

    language: str
    subject: str
    text: str
    html: str


class Templates:
    """The templates of all languages."""

    def __init__(self, folder: Path | None = None) -> None:
        """Load the templates, and render each with sample data.

        Raises:
            StartRefusedError: one is missing or wrong. The text names file, line and reason.
        """
        self._folder = folder
        self._environment: Environment = ImmutableSandboxedEnvironment(
            loader=_Loader(folder),
            autoescape=lambda name: name is not None and name.endswith(".html"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self.languages = frozenset(_languages(folder))
        for language in sorted(self.languages):
            for kind in LetterKind:
                for values in sample_values(kind):
                    self._check(language, kind, values)

    def language(self, wanted: str) -> str:
        """Return the language of the templates for a wanted one: that one, the same without its region, or English."""
        short = wanted.partition("-")[0]
        return next((one for one in (wanted, short) if one in self.languages), ENGLISH)

    def render(self, language: str, kind: LetterKind, values: Mapping[str, Any]) -> Rendered:
        """Render a letter.

        Raises:
            TemplateError: a template fails with these values.
        """
        try:
            return self._render(language, kind, values)
        except TemplateError:
            raise
        except Exception as error:  # For example, it takes a part of None.
            raise TemplateError(f"{_where(error, f'{language}/{file_of(kind)}')}: {error}") from error

    def _render(self, language: str, kind: LetterKind, values: Mapping[str, Any]) -> Rendered:
        name, given = f"{language}/{file_of(kind)}", {**values, "language": language}
        subject, _, text = self._environment.get_template(f"{name}.txt").render(given).lstrip().partition("\n")
        html = self._environment.get_template(f"{name}.html").render(given)
        if not subject.strip() or not text.strip():
            raise TemplateError(f"{name}.txt: the first line is the subject, and the letter follows")
        if len(text) + len(html) > _LARGEST_LETTER:
            raise TemplateError(f"{name}: the letter has more than {_LARGEST_LETTER} characters")
        return Rendered(language, " ".join(subject.split()), text.strip() + "\n", html.strip() + "\n")

    def _check(self, language: str, kind: LetterKind, values: Mapping[str, Any]) -> None:
        try:
            self._render(language, kind, values)
        except Exception as error:
            where = _where(error, f"{language}/{file_of(kind)}")
            raise StartRefusedError(
                f"--templates {self._folder or SHIPPED}: {where}: {error}. Correct the template, or remove it to use "
                "the shipped one"
            ) from error


class _Loader(BaseLoader):
    """Finds a template in a folder, or else among the shipped ones."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Any]:
        """Return the source of a template, and the name that errors show."""
        del environment
        if ".." in template or template.startswith("/"):
            raise TemplateNotFound(template)
        flat = template.replace("/", ".")
        own = [self._folder / template, self._folder / flat] if self._folder is not None else []
        for path in (*own, SHIPPED / template):
            if path.is_file():
                with path.open(encoding="utf-8") as file:
                    text = file.read(_LARGEST_FILE + 1)
                if len(text) > _LARGEST_FILE:
                    raise TemplateError(f"{template}: the file has more than {_LARGEST_FILE} characters")
                return text, template, lambda: True
        raise TemplateNotFound(template)


def _languages(folder: Path | None) -> Iterable[str]:
    """Yield the languages for which there is a template."""
    yield from (path.name for path in SHIPPED.iterdir() if path.is_dir())
    if folder is None:
        return
    try:
        names = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise StartRefusedError(f"--templates {folder}: {error.strerror}") from error
    flat = {f".{name}" for name in needed_names()}
    for path in names:
        if path.is_dir():
            yield path.name
        else:
            yield from (path.name.removesuffix(end) for end in flat if path.name.endswith(end))


def _where(error: Exception, name: str) -> str:
    """Return file and line of a template's error."""
    if isinstance(error, TemplateSyntaxError):
        return f"{error.filename or error.name or name}, line {error.lineno}"
    if isinstance(error, TemplateNotFound):
        return "a template is missing"
    every = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in every if frame.filename.endswith((".txt", ".html", ".jinja"))]
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else name
