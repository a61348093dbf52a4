"""Which token a verifier gets: one for the audience tenure-usage alone, or none."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tenure.controller.usage.verifiers import SilentError, Verifiers, read_token
from tenure.errors import StartRefusedError
from tenure.settings import RunSettings


def token(audience: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"aud": audience}).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2ln"


@pytest.mark.parametrize("audience", ["tenure-usage", ["tenure-usage"]])
def test_a_token_for_this_question_is_sent(tmp_path: Path, audience: Any) -> None:
    file = tmp_path / "token"
    file.write_text(f"{token(audience)}\n")
    assert read_token(file) == token(audience)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (token(["https://kubernetes.default.svc"]), "must be for the audience tenure-usage alone"),
        (token(["tenure-usage", "https://kubernetes.default.svc"]), "must be for the audience tenure-usage alone"),
        (token("tenure-verifier"), "must be for the audience tenure-usage alone"),
        ("e30.e30.c2ln", "it has no ServiceAccount token"),
        ("tnr_1", "it has no ServiceAccount token"),
        ("e30.****.c2ln", "it has no ServiceAccount token"),
        ("", "it has no ServiceAccount token"),
        ("\u00e9", "it has no ServiceAccount token"),
    ],
)
def test_another_token_is_not(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(SilentError, match=says) as refused:
        read_token(file)
    assert not text or text not in str(refused.value)


def test_without_a_file_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(SilentError, match="No such file"):
        read_token(tmp_path / "token")


def test_without_a_url_nobody_is_asked() -> None:
    assert Verifiers.of(RunSettings()) is None


def test_a_url_needs_a_token() -> None:
    with pytest.raises(StartRefusedError, match="--usage-url needs --usage-token-file"):
        Verifiers.of(RunSettings(usage_urls=("http://verifier:8080",)))
