"""What `token` prints: the token that Tenure wrote, and nothing that somebody else put into the Secret."""

import base64
from typing import Any

import pytest

from support.objects.builders import api_key, token_of
from tenure.domain.secret import TYPE
from tenure.kubectl.listing import token_in
from tenure.viewmodel.errors import ViewError

TOKEN = token_of(api_key()).reveal()


def secret(text: str | bytes = TOKEN, **fields: Any) -> dict[str, Any]:
    data = text.encode() if isinstance(text, str) else text
    metadata = {"namespace": "acme", "name": "ci-deploy", "uid": "1", "resourceVersion": "1"}
    metadata["creationTimestamp"] = "2027-01-04T09:01:00Z"
    return {"metadata": metadata, "type": TYPE, "data": {"token": base64.b64encode(data).decode()}, **fields}


def test_the_token_is_printed() -> None:
    assert token_in(secret(), "1") == TOKEN


@pytest.mark.parametrize(
    ("found", "uid", "words"),
    [
        pytest.param(secret(), "2", "isn't the one that Tenure wrote", id="another Secret"),
        pytest.param(secret("\x1b]0;owned\x07"), "1", "holds no token", id="an escape sequence"),
        pytest.param(secret(f"{TOKEN}\n"), "1", "holds no token", id="a line more"),
        pytest.param(secret(b"\xff"), "1", "holds no token", id="no text"),
        pytest.param(secret(data={"token": "no base64"}), "1", "holds no token", id="no base64"),
        pytest.param(secret(data=None), "1", "holds no token", id="nothing"),
    ],
)
def test_nothing_else_is_printed(found: dict[str, Any], uid: str, words: str) -> None:
    with pytest.raises(ViewError, match=words):
        token_in(found, uid)
