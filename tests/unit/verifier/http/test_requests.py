"""What `/v1/authorize` is asked: in the query, or in the path, where the client appends what it likes."""

from typing import Any
from urllib.parse import unquote

import pytest

from tenure.domain.roles import Capability, Level
from tenure.domain.verification import Question
from tenure.verifier.http.errors import BadRequestError
from tenure.verifier.http.requests import MAX_HEAD_BYTES, Request, UsageQuery, parse_usage, read_head

BASE = "/v1/authorize/acme/clusters/Full"
ASKED = Question(None, Capability.CLUSTERS, Level.FULL, "acme")


def read(path: str, query: str = "") -> Request:
    scope: dict[str, Any] = {
        "method": "GET",
        "path": unquote(path),
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": [],
        "client": ("192.0.2.1", 5),
    }
    return read_head(scope)


APPENDED = {
    "nothing": ("", ""),
    "a slash": ("/", ""),
    "a path": ("/things/5", "page=2"),
    "a path that ends above": ("/../../../other/costs/View", ""),
    "encoded dots": ("/%2e%2e/%2E%2E/%2e%2e/other/costs/View", ""),
    "encoded slashes": ("/..%2f..%2f..%2fother%2fcosts%2fView", ""),
    "backslashes": ("/..\\..\\..\\other\\costs\\View", ""),
    "another question as a path": ("/v1/authorize/other/costs/View", ""),
    "two slashes": ("//other/costs/View", ""),
    "many empty segments": ("/" * 500, ""),
    "another question as a query": ("/", "namespace=other&organization=other&capability=costs&level=View"),
    "a query that makes no sense": ("/", "capability=fly&capability=swim&x=%zz&level=None"),
    "a query with many fields": ("/", "&".join(f"field{number}=1" for number in range(500))),
    "a query with a key": ("/", "token=tnr_1"),
    "a key": ("/tnr_1", ""),
    "a NUL": ("/%00", ""),
    "beyond ASCII": ("/\u00e9", "\u00e9"),
    "a semicolon": ("/;level=View", ""),
}


@pytest.mark.parametrize(("rest", "query"), APPENDED.values(), ids=APPENDED)
def test_what_a_client_appends_changes_no_question(rest: str, query: str) -> None:
    assert read(BASE + rest, query).question == ASKED


UNKNOWN = {
    "nothing": "/v1/authorize/",
    "a namespace": "/v1/authorize/acme",
    "no level": "/v1/authorize/acme/clusters",
    "an empty level": "/v1/authorize/acme/clusters/",
    "no namespace": "/v1/authorize//clusters/Full",
    "no capability": "/v1/authorize/acme//Full",
    "two slashes first": "/v1/authorize//acme/clusters/Full",
    "an unknown capability": "/v1/authorize/acme/fly/Full",
    "an unknown level": "/v1/authorize/acme/clusters/None",
    "a level in lower case": "/v1/authorize/acme/clusters/full",
    "a level with an appendix": "/v1/authorize/acme/clusters/Full*",
    "a level that goes on": "/v1/authorize/acme/clusters/Full;x",
    "an encoded slash": "/v1/authorize/acme%2Fclusters%2FFull",
    "a half encoded one": "/v1/authorize/acme/clusters%2FView/Full",
    "a level, and an encoded slash": "/v1/authorize/acme/clusters/Full%2F..",
    "an encoded level": "/v1/authorize/acme/clusters/%46ull",
    "dots": "/v1/authorize/../acme/clusters/Full",
    "a key": "/v1/authorize/tnr_1/tnr_1/tnr_1",
}


@pytest.mark.parametrize("path", UNKNOWN.values(), ids=UNKNOWN)
def test_a_path_that_asks_nothing_clear_is_refused(path: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        _ = read(path).question
    assert refused.value.status == 400
    assert "tnr_" not in str(refused.value)


def test_a_namespace_is_compared_as_it_was_sent() -> None:
    assert read("/v1/authorize/%61cme/clusters/Full/").question == Question(
        None, Capability.CLUSTERS, Level.FULL, "%61cme"
    )


def test_the_query_is_what_counts_without_a_path() -> None:
    assert read("/v1/authorize", "namespace=acme&capability=clusters&level=Full").question == ASKED
    with pytest.raises(BadRequestError, match="Don't put a token into a URL"):
        read("/v1/authorize", "key=tnr_1")


@pytest.mark.parametrize("path", ["/V1/authorize/acme/clusters/Full", "//v1/authorize/acme/clusters/Full"])
def test_another_path_asks_nothing(path: str) -> None:
    assert read(path).segments is None


def test_a_path_counts_as_part_of_the_head() -> None:
    with pytest.raises(BadRequestError, match="Headers, path and query"):
        read(f"{BASE}/{'x' * MAX_HEAD_BYTES}")


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", UsageQuery()),
        ("namespace=acme", UsageQuery("acme")),
        ("namespace=acme&since=30058110", UsageQuery("acme", 30058110)),
    ],
)
def test_the_record_of_use_is_asked_for_a_namespace_and_a_cursor(query: str, asked: UsageQuery) -> None:
    assert parse_usage(query.encode()) == asked


@pytest.mark.parametrize(
    "query", ["since=-1", "since=", "since=x", "since=" + "1" * 19, "since=1&since=2", "name=acme"]
)
def test_another_question_about_use_is_refused(query: str) -> None:
    with pytest.raises(BadRequestError):
        parse_usage(query.encode())
