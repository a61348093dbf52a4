"""The shipped templates, and what the start says about those that replace them."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from jinja2 import TemplateError

from tenure.domain.letters.letter import LetterKind
from tenure.errors import StartRefusedError
from tenure.mail.letters.samples import sample, sample_values
from tenure.mail.letters.templates import SHIPPED, Templates

TEMPLATES = Templates()
EVERY = [(language, kind) for language in sorted(TEMPLATES.languages) for kind in LetterKind]


@pytest.mark.parametrize(("language", "kind"), EVERY)
def test_a_letter_loads_nothing_from_elsewhere_and_has_the_same_facts_twice(language: str, kind: LetterKind) -> None:
    for values in sample_values(kind):
        letter = TEMPLATES.render(language, kind, values)
        assert not re.search(r"\bsrc=|url\(|<(link|script|img|iframe|style)\b", letter.html)
        assert set(re.findall(r'https?://[^\s"<]+', letter.html)) <= {str(values["link"])}
        assert f'lang="{language}"' in letter.html
        facts = [values["organization"], values["address"], *(key["name"] for key in values["keys"])]
        if kind in {LetterKind.INVITED, LetterKind.ROLE_CHANGED}:
            facts.append(values["role"])
        facts += filter(None, [values["link"], values["contact"], values["expires"]])
        for fact in facts:
            assert fact in letter.text
            assert fact in letter.html
        assert "\n" not in letter.subject


@pytest.mark.parametrize("language", ["en", "de"])
def test_unknown_use_is_never_told_as_no_use(language: str) -> None:
    key = {**sample(LetterKind.KEYS_EXPIRING)["keys"][0], "last_used": None, "unused_since": None}
    letter = TEMPLATES.render(language, LetterKind.KEYS_EXPIRING, {**sample(LetterKind.KEYS_EXPIRING), "keys": [key]})
    unknown, no_use = {"en": ("last use unknown", "not used"), "de": ("Benutzung unbekannt", "nicht benutzt")}[language]
    assert unknown in letter.text
    assert no_use not in letter.text


def test_markup_in_a_value_is_escaped() -> None:
    values = {**sample(LetterKind.INVITED), "address": "<img src=x>@acme.io"}
    assert "&lt;img src=x&gt;@acme.io" in TEMPLATES.render("en", LetterKind.INVITED, values).html


def test_a_language_without_templates_gets_english_and_a_region_its_language() -> None:
    assert [TEMPLATES.language(one) for one in ("de", "de-AT", "fr", "en-GB", "")] == ["de", "de", "en", "en", "en"]


def test_a_file_replaces_a_shipped_one_in_a_folder_and_in_a_configmap(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "invited.txt").write_text("Welcome to {{ organization }}\n\nYou are {{ role }}.")
    (tmp_path / "de.invited.txt").write_text("Willkommen\n\nHallo {{ address }}")
    (tmp_path / "..data").mkdir()
    own = Templates(tmp_path)
    assert own.render("en", LetterKind.INVITED, sample(LetterKind.INVITED)).text == "You are Member.\n"
    assert own.render("de", LetterKind.INVITED, sample(LetterKind.INVITED)).subject == "Willkommen"


def test_another_language_needs_all_letters(tmp_path: Path) -> None:
    for path in (SHIPPED / "en").iterdir():
        (tmp_path / f"fr.{path.name}").write_text(path.read_text().replace('"en/', '"fr/'))
    assert Templates(tmp_path).language("fr") == "fr"
    (tmp_path / "fr.keys-revoked.html").unlink()
    with pytest.raises(StartRefusedError, match=r"a template is missing: fr/keys-revoked\.html"):
        Templates(tmp_path)


MISTAKES: Mapping[str, tuple[str, str]] = {
    "a syntax error": ("Hello\n\n{% if %}", r"en/invited\.txt, line 3: "),
    "an unknown name": ("Hello\n\n\n{{ name }}", r"en/invited\.txt, line 4: 'name' is undefined"),
    "a name that only some letters have": ("Hello\n\n{{ link.upper() }}", r"en/invited\.txt, line 3: "),
    "code": ("Hello\n\n{{ ''.__class__.__mro__ }}", r"en/invited\.txt, line 3: access to attribute '__class__'"),
    "another file": ("Hello\n\n{% include '../../settings.py' %}", "a template is missing: "),
    "an absolute path": ("Hello\n\n{% include '/etc/passwd' %}", "a template is missing: /etc/passwd"),
    "no text": ("Hello", "the first line is the subject"),
    "a long letter": ("Hello\n\n{{ 'x' * 300000 }}", "more than 200000 characters"),
    "a long file": ("Hello\n\n" + "x" * 200_000, "more than 100000 characters"),
    "an endless loop": ("Hello\n\n{% for one in range(10000000) %}x{% endfor %}", "Range too big"),
}


@pytest.mark.parametrize(("text", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_prevents_the_start_and_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "en.invited.txt").write_text(text)
    with pytest.raises(StartRefusedError, match=says) as refused:
        Templates(tmp_path)
    assert str(refused.value).startswith(f"--templates {tmp_path}: ")


def test_a_template_that_fails_with_the_values_of_one_member_fails_as_a_template(tmp_path: Path) -> None:
    (tmp_path / "en.invited.txt").write_text("Hello\n\n{{ 1 // (organization|length - 3) }}")
    own = Templates(tmp_path)
    with pytest.raises(TemplateError, match=r"^en/invited\.txt, line 3: integer division or modulo by zero"):
        own.render("en", LetterKind.INVITED, {**sample(LetterKind.INVITED), "organization": "abc"})


def test_a_folder_that_is_not_there_prevents_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartRefusedError, match=r"/gone: No such file or directory"):
        Templates(tmp_path / "gone")
