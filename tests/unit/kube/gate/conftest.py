"""The loop of these tests: its clock jumps."""

import asyncio
from collections.abc import Callable, Mapping

from support.run.jumping import JumpingLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"jumping": JumpingLoop}
