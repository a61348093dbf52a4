"""A request ends in time, whatever of it hangs."""

import asyncio
import ssl

import pytest
from kubernetes.aio import client

from tenure.errors import UnavailableError
from tenure.kube.cluster import Cluster
from tenure.kube.connection import Connection


class Hanging(Connection):
    """Its program for credentials never ends."""

    async def headers(self) -> dict[str, str]:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.asyncio(loop_scope="function")
async def test_credentials_that_never_come_are_waited_for_no_longer_than_an_answer() -> None:
    connection = Hanging(client.Configuration(host="https://127.0.0.1:1"), ssl.create_default_context())
    async with Cluster(connection) as cluster:
        with pytest.raises(UnavailableError, match="GET /version: no answer in time"):
            await asyncio.wait_for(cluster.request("GET", "/version", seconds=0.05), timeout=10)
