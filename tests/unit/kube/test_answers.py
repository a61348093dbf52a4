"""What an answer of the API server says: a body, or an error whose class tells whether anything is proved by it."""

import json
from typing import Any

import pytest

from tenure.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    ForbiddenError,
    KindNotServedError,
    NamespaceTerminatingError,
    ObjectNotFoundError,
    RejectedError,
    UnauthorizedError,
    UnavailableError,
)
from tenure.kube.answers import parse_answer


def status(reason: str, **details: Any) -> dict[str, Any]:
    """A refusal as the API server sends it."""
    return {"kind": "Status", "status": "Failure", "reason": reason, "message": "no", "details": details}


@pytest.mark.parametrize(
    ("code", "body", "error"),
    [
        pytest.param(404, status("NotFound", name="alice"), ObjectNotFoundError, id="no such object"),
        pytest.param(404, status("NotFound"), KindNotServedError, id="no such kind"),
        pytest.param(404, None, KindNotServedError, id="404 of something else"),
        pytest.param(405, status("MethodNotAllowed"), KindNotServedError, id="method not allowed"),
        pytest.param(409, status("AlreadyExists", name="alice"), AlreadyExistsError, id="already there"),
        pytest.param(409, status("Conflict", name="alice"), ConflictError, id="changed meanwhile"),
        pytest.param(403, status("Forbidden"), ForbiddenError, id="not allowed"),
        pytest.param(
            403,
            status("Forbidden", causes=[{"reason": "NamespaceTerminating"}]),
            NamespaceTerminatingError,
            id="its namespace is going away",
        ),
        pytest.param(401, status("Unauthorized"), UnauthorizedError, id="who asks"),
        pytest.param(422, status("Invalid", name="alice"), RejectedError, id="invalid"),
        pytest.param(410, status("Expired"), UnavailableError, id="list too old"),
        pytest.param(429, status("TooManyRequests"), UnavailableError, id="too many requests"),
        pytest.param(500, None, UnavailableError, id="no Status at all"),
    ],
)
def test_a_refusal_is_an_error_of_its_kind(code: int, body: Any, error: type[ApiError]) -> None:
    text = b"<html>" if body is None else json.dumps(body).encode()
    with pytest.raises(ApiError, match="GET memberships acme/alice: ") as caught:
        parse_answer("GET memberships acme/alice", code, text, None)
    assert type(caught.value) is error
    assert caught.value.status == code


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("Mon, 22 Feb 2027 08:30:00 GMT", None), ("", None), (None, None)]
)
def test_how_long_to_wait_is_read_where_it_is_a_number(header: str | None, seconds: float | None) -> None:
    with pytest.raises(UnavailableError) as caught:
        parse_answer("GET /", 429, json.dumps(status("TooManyRequests")).encode(), header)
    assert caught.value.retry_after == seconds


def test_a_body_is_given_back_and_what_is_none_is_no_answer() -> None:
    assert parse_answer("GET /", 200, b'{"kind": "Secret"}', None) == {"kind": "Secret"}
    for text in (b"[]", b"", b'{"kind": '):
        with pytest.raises(UnavailableError, match="GET /: the answer isn't a JSON object"):
            parse_answer("GET /", 200, text, None)


@pytest.mark.parametrize("faults", [["a", "b"], ["b", "a"]], ids="first {0[0]}".format)
def test_the_faults_of_a_map_are_told_in_one_order(faults: list[str]) -> None:
    causes = [{"field": "metadata.labels", "message": f'Invalid value: "{fault}": no'} for fault in faults]
    told = ", ".join(f"{cause['field']}: {cause['message']}" for cause in causes)
    body = {**status("Invalid", causes=causes), "message": f'Secret "laptop" is invalid: [{told}]'}
    with pytest.raises(RejectedError) as raised:
        parse_answer("POST secrets acme", 422, json.dumps(body).encode(), None)
    assert str(raised.value) == (
        'POST secrets acme: Secret "laptop" is invalid: '
        '[metadata.labels: Invalid value: "a": no, metadata.labels: Invalid value: "b": no]'
    )
