"""Claims about the proxy of the tests: each of its faults is the one that it is called."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest
from deadline import until_async
from proxy import HOST, Proxy, proxied

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Open = Callable[[], Awaitable[Ends]]


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy before a server that says everything again."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                writer.write(data)
        writer.close()

    async with (
        await asyncio.start_server(echo, HOST, 0) as server,
        proxied(server.sockets[0].getsockname()[1]) as proxy,
    ):
        yield proxy


@pytest.fixture
async def opened(proxy: Proxy) -> AsyncIterator[Open]:
    """Opens connections through it, which are closed at the end."""
    writers = []

    async def open_() -> Ends:
        ends = await asyncio.open_connection(HOST, proxy.port)
        writers.append(ends[1])
        return ends

    yield open_
    for writer in writers:
        writer.close()


async def said_again(ends: Ends, data: bytes) -> bytes:
    """What comes back for what is sent."""
    reader, writer = ends
    writer.write(data)
    return await reader.readexactly(len(data))


async def test_what_is_sent_passes_whole_both_ways(proxy: Proxy, opened: Open) -> None:
    """A megabyte, and then the end of it."""
    ends = await opened()
    data = bytes(range(256)) * 4096
    assert await said_again(ends, data) == data
    ends[1].write_eof()
    assert await ends[0].read() == b""
    await until_async(lambda: proxy.lines == 0, "the line is over")


async def test_a_black_hole_holds_everything_and_breaks_nothing(proxy: Proxy, opened: Open) -> None:
    """Old and new connections stay open and silent; what was sent arrives when it heals."""
    old = await opened()
    assert await said_again(old, b"one") == b"one"
    proxy.black_hole()
    new = await opened()
    answers = [asyncio.create_task(said_again(ends, b"two")) for ends in (old, new)]
    _, silent = await asyncio.wait(answers, timeout=0.05)
    assert len(silent) == 2
    await proxy.heal()
    assert await asyncio.gather(*answers) == [b"two", b"two"]


async def test_what_is_forgotten_is_silent_and_what_comes_is_not(
    proxy: Proxy, opened: Open
) -> None:
    """Only the connections of then are half-open, until it heals."""
    old = await opened()
    assert await said_again(old, b"one") == b"one"
    proxy.forget()
    answer = asyncio.create_task(said_again(old, b"two"))
    assert await said_again(await opened(), b"three") == b"three"
    assert not answer.done()
    await proxy.heal()
    assert await answer == b"two"


async def test_a_reset_breaks_what_is_and_not_what_comes(proxy: Proxy, opened: Open) -> None:
    """The client is told of a reset and not of an end."""
    ends = await opened()
    assert await said_again(ends, b"one") == b"one"
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await ends[0].readexactly(1)
    assert await said_again(await opened(), b"two") == b"two"


async def test_nobody_gets_in_while_it_refuses(proxy: Proxy, opened: Open) -> None:
    """Until it heals, at the same port."""
    port = proxy.port
    await proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await opened()
    await proxy.heal()
    assert proxy.port == port
    assert await said_again(await opened(), b"one") == b"one"


async def test_latency_delays_each_way_and_narrows_nothing(proxy: Proxy, opened: Open) -> None:
    """A hundred messages one behind another take no longer than one."""
    ends = await opened()
    proxy.latency_s = 0.05
    began = time.monotonic()
    for number in range(100):
        ends[1].write(b"%4d" % number)
        await asyncio.sleep(0)  # so that they go apart
    await ends[0].readexactly(400)
    assert 0.1 <= time.monotonic() - began < 1.0


async def test_a_server_that_is_away_is_no_server(proxy: Proxy, opened: Open) -> None:
    """The client hears of it at once."""
    proxy._target = (HOST, 1)
    with pytest.raises(ConnectionResetError):
        await (await opened())[0].readexactly(1)
