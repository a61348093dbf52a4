"""A request ends in time, whatever of it hangs."""

import asyncio

import pytest

from tenure.errors import UnavailableError
from tenure.kube.cluster import Cluster
from tenure.kube.connection import Connection
from tenure.kube.credentials import Credentials
from tenure.kube.objects import LARGEST_PAGE, PAGE_SIZE, next_page


class Hanging(Credentials):
    """Their program never ends."""

    async def authorization(self) -> str:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.asyncio(loop_scope="function")
async def test_credentials_that_never_come_are_waited_for_no_longer_than_an_answer() -> None:
    connection = Connection("https://127.0.0.1:1", Hanging())
    async with Cluster(connection) as cluster:
        with pytest.raises(UnavailableError, match="GET /version: no answer in time"):
            await asyncio.wait_for(cluster.request("GET", "/version", seconds=0.05), timeout=10)


@pytest.mark.parametrize(
    ("limit", "size", "following"),
    [
        pytest.param(100, 190_000, LARGEST_PAGE, id="small objects"),
        pytest.param(100, 524_288, 200, id="a page of 200 has a mebibyte"),
        pytest.param(100, 6_400_000, PAGE_SIZE, id="large objects"),
        pytest.param(LARGEST_PAGE, 6_400_000, PAGE_SIZE, id="large objects after small ones"),
        pytest.param(100, 0, LARGEST_PAGE, id="an empty answer"),
    ],
)
def test_pages_of_small_objects_grow(limit: int, size: int, following: int) -> None:
    assert next_page(limit, size, LARGEST_PAGE) == following


def test_lists_of_some_objects_keep_their_pages() -> None:
    assert next_page(100, 190_000, PAGE_SIZE) == PAGE_SIZE
