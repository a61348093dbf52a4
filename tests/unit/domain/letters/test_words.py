"""Names in letters, and a mail server's words: nothing in them is a link, a header or another sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenure.domain.letters.words import MAX_NAME, cleaned, on_one_line, without_secrets

ROWS = {
    "Acme Inc": "Acme Inc",
    "Müller & Söhne (Köln)": "Müller & Söhne (Köln)",
    "O'Neill_team-2": "O'Neill_team-2",
    "東京 支社": "東京 支社",
    "evil.example": "evil example",
    "https://evil.example/x?y": "https evil example x y",
    "<b>Acme</b>": "b Acme b",
    "Acme\r\nBcc: all@acme.io": "Acme Bcc all acme io",
    "\u202eemcA\u200b": "emcA",
    "  Acme \t Inc  ": "Acme Inc",
    "...": "-",
    "": "-",
}


@pytest.mark.parametrize(("text", "shown"), ROWS.items(), ids=[repr(text) for text in ROWS])
def test_a_name_keeps_letters_digits_blanks_and_a_few_signs(text: str, shown: str) -> None:
    assert cleaned(text) == shown


def test_a_long_name_is_shortened() -> None:
    assert len(cleaned("a" * 10_000)) == MAX_NAME
    assert cleaned("a" * 10_000).endswith("a…")


@given(st.text())
def test_no_name_has_anything_that_a_mail_program_links_or_a_page_reads_as_markup(text: str) -> None:
    shown = cleaned(text)
    assert shown
    assert not set(shown) & set('.:/@<>"\r\n\u202e\u200b#?\\%=;,')


TOKEN = "OGM1ZjQ4" * 14

ANSWERS = {
    "550 5.1.1 <Alice+x@acme.io>: unknown": "550 5.1.1 <(address)>: unknown",
    f"554 blocked: https://join.acme.io/t/invitations/{TOKEN}": "554 blocked: (link)",
    f"554 blocked: {TOKEN[:60]}=\n{TOKEN[60:]}": "554 blocked: (link)=\n(link)",
    "250 queued as 4Xyz-8f1kQm2 (8c5f4a52-6f0c-4a2c-9a53-9c0a5c9b7d10)": None,
}


@pytest.mark.parametrize(("text", "shown"), ANSWERS.items())
def test_a_mail_servers_words_name_neither_the_address_nor_a_link(text: str, shown: str | None) -> None:
    assert without_secrets(text, "alice+x@acme.io") == (shown or text)
    assert without_secrets("no answer", "") == "no answer"


def test_a_mail_servers_words_are_on_one_line() -> None:
    assert on_one_line("550 no\r\nsuch\tuser \x1b[31m jörg", 100) == "550 no such user [31m j rg"
    assert on_one_line("x" * 400, 300) == "x" * 297 + "..."
