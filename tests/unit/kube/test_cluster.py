"""A request ends in time, whatever of it hangs."""

import asyncio

import pytest

from tenure.errors import UnavailableError
from tenure.kube.cluster import Cluster
from tenure.kube.connection import Connection
from tenure.kube.credentials import Credentials


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
