"""Processes that ask each other get an answer, or learn that there is none."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tenure.process.channel import Answer, Channel, ChannelError

LONG = 30.0


async def echo(question: str, arguments: Mapping[str, Any]) -> object:
    return {"question": question, **arguments}


async def refuse(_: str, __: Mapping[str, Any]) -> object:
    raise ChannelError("it is starting")


async def fail(_: str, __: Mapping[str, Any]) -> object:
    raise KeyError("secret")


async def never(_: str, __: Mapping[str, Any]) -> object:
    await asyncio.Event().wait()
    return None


@asynccontextmanager
async def asking(answer: Answer) -> AsyncIterator[tuple[Channel, asyncio.Task[None], AsyncExitStack]]:
    """Give an end that asks, its task, and what ends the other end when it is closed."""
    mine, theirs = socket.socketpair()
    async with AsyncExitStack() as other:
        await other.enter_async_context(Channel(theirs, answer).running())
        channel = Channel(mine, echo)
        async with channel.running() as task:
            yield channel, task, other


async def test_many_questions_at_once_get_their_own_answers() -> None:
    async with asking(echo) as (channel, _, _):
        texts = [str(number) * 100_000 for number in range(5)]
        found = await asyncio.gather(*(channel.ask("say", within=LONG, text=text) for text in texts))
    assert found == [{"question": "say", "text": text} for text in texts]


@pytest.mark.parametrize(
    ("answer", "said"),
    [(refuse, "^it is starting$"), (fail, "^unexpected error: KeyError$")],
    ids=["refused", "a bug, without its text"],
)
async def test_an_error_is_told(answer: Answer, said: str) -> None:
    async with asking(answer) as (channel, _, _):
        with pytest.raises(ChannelError, match=said):
            await channel.ask("say", within=LONG)


async def test_a_silent_process_is_not_waited_for() -> None:
    async with asking(never) as (channel, _, _):
        with pytest.raises(ChannelError, match="no answer in time"):
            await channel.ask("say", within=0.01)


async def test_the_end_of_the_other_process_is_noticed() -> None:
    async with asking(never) as (channel, task, other):
        question = asyncio.create_task(channel.ask("say", within=LONG))
        await asyncio.sleep(0)
        await other.aclose()
        with pytest.raises(ChannelError, match="it has ended"):
            await question
        await task
        with pytest.raises(ChannelError, match="it has ended"):
            await channel.ask("say", within=LONG)


async def test_a_question_that_is_cancelled_ends() -> None:
    async with asking(never) as (channel, _, _):
        question = asyncio.create_task(channel.ask("say", within=LONG))
        await asyncio.sleep(0)
        question.cancel()
        with pytest.raises(asyncio.CancelledError):
            await question
