"""Claims about the line to NATS: who is let in, what is trusted, when it is lost, who is told."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from bus_fakes import connected
from deadline import reaches, until_async
from papers import Authority, Papers, papers, secret, seed
from proxy import HOST, proxied
from seats import crash
from servers import Furnished, furnished

import actors.bus
from actors.bridge import Bridge
from actors.bus import Connection, connect, place, shown
from actors.council import CouncilActor
from actors.nats_server import NatsServer
from actors.patience import Forbidden
from actors.provision import applied
from actors.roster import roster
from actors.supervisor import _standing
from edges.desk import Desk
from engine.config import BusConfig, Config, PoolConfig, fleet_councils
from engine.errors import NotFound, SetupError, Unavailable

nats = pytest.mark.nats

Log = pytest.LogCaptureFixture


@asynccontextmanager
async def line(bus: BusConfig, on_closed: Callable[[], None] = lambda: None) -> AsyncIterator[Any]:
    """A connection that answers, closed on leaving."""
    client = await connect(bus, "test", on_closed, patience_s=5.0)
    try:
        await client.flush()
        yield client
    finally:
        await client.leave()


async def refusal(bus: BusConfig) -> str:
    """Why a first connection cannot be had: in one line, and at once."""
    began = time.monotonic()
    with pytest.raises(SetupError) as caught:
        await connect(bus, "test", lambda: None, patience_s=20.0)
    assert time.monotonic() - began < 10
    assert "\n" not in str(caught.value)
    return str(caught.value)


def fleet(bus: BusConfig) -> Config:
    """One council on one pool, and a bus."""
    return Config(pools={"small": PoolConfig(model="m")}, councils=fleet_councils()[:1], bus=bus)


async def unasked(_task: object) -> Any:
    """What a bridge does whose events never come."""
    raise AssertionError("nothing is asked of it")


# --- TLS ---


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for the servers."""
    return Authority(tmp_path_factory.mktemp("papers"))


def tls_server(store: Path, authority: Authority, host: str = HOST, **more: Any) -> Any:
    """A server that proves to be that host."""
    pair = authority.issue(host)
    tls = {"cert_file": pair.certificate, "key_file": pair.key, **more}
    return furnished(store, {"tls": tls})


@nats
async def test_tls_is_on_where_an_authority_is_named(tmp_path: Path, authority: Authority) -> None:
    """The same server is refused without it, and where another authority is trusted."""
    other = Authority(tmp_path, "other")
    with tls_server(tmp_path / "nats", authority) as server:
        async with line(BusConfig(url=server.url, tls_ca=authority.certificate)) as client:
            assert client._transport._io_writer.get_extra_info("cipher") is not None
        for bus in (
            BusConfig(url=server.url),
            BusConfig(url=server.url.replace("nats://", "tls://")),
            BusConfig(url=server.url, tls_ca=other.certificate),
        ):
            said = await refusal(bus)
            assert f"the NATS server at {place(server.url)} cannot be trusted" in said
            assert "See bus.tls_ca" in said


@nats
async def test_a_server_has_to_prove_its_name(tmp_path: Path, authority: Authority) -> None:
    """That of the url, or `tls_hostname` where that is another."""
    with tls_server(tmp_path / "nats", authority, "nats.fleet") as server:
        bus = BusConfig(url=server.url, tls_ca=authority.certificate)
        assert "mismatch" in await refusal(bus)
        async with line(bus.model_copy(update={"tls_hostname": "nats.fleet"})):
            pass
        assert "mismatch" in await refusal(bus.model_copy(update={"tls_hostname": "nats.other"}))


@nats
async def test_a_server_may_ask_for_our_certificate(tmp_path: Path, authority: Authority) -> None:
    """`tls_cert` and `tls_key` are shown to it; without them it hangs up."""
    own = authority.issue("conclave")
    asking = {"ca_file": authority.certificate, "verify": True}
    with tls_server(tmp_path / "nats", authority, **asking) as server:
        bus = BusConfig(url=server.url, tls_ca=authority.certificate)
        shown = {"tls_cert": own.certificate, "tls_key": own.key}
        async with line(bus.model_copy(update=shown)):
            pass
        assert "See bus.tls_ca, bus.tls_hostname and bus.tls_cert" in await refusal(bus)


async def test_nothing_is_said_in_the_clear_where_tls_is_wanted(
    tmp_path: Path, authority: Authority
) -> None:
    """Whoever answers without TLS in the server's place learns no password and no user."""
    heard = bytearray()

    async def impostor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"X","version":"2.15.1","max_payload":1048576}\r\n')
        heard.extend(await reader.read(4096))
        writer.close()

    async with await asyncio.start_server(impostor, HOST, 0) as server:
        url = f"nats://{HOST}:{server.sockets[0].getsockname()[1]}"
        bus = BusConfig(
            url=url,
            tls_ca=authority.certificate,
            user="conclave",
            password_file=secret(tmp_path / "password", "s3cret"),
        )
        assert "the server offers no TLS" in await refusal(bus)
    assert heard == b""


@pytest.mark.parametrize(
    ("url", "place_", "shown_"),
    [
        ("nats://here", "here:4222", "nats://here:4222"),
        ("tls://u:s3cret@here:1", "here:1", "tls://here:1"),
        ("nats://a:1, nats://b:2", "a:1, b:2", "nats://a:1,nats://b:2"),
    ],
)
def test_where_a_bus_is_can_be_told_to_anybody(url: str, place_: str, shown_: str) -> None:
    """For readers, and for who is to connect there."""
    assert (place(url), shown(url)) == (place_, shown_)


# --- credentials ---

WAYS = ("password_file", "token_file", "nkey_file", "creds_file")


class Guarded:
    """A server that lets one way in, and what opens it, right and wrong."""

    def __init__(self, folder: Path, way: str) -> None:
        (key, name), (other, _) = seed(), seed()
        kept: Papers = papers()
        right, wrong, self.server = {
            "password_file": ("s3cret", "guess", _users("s3cret")),
            "token_file": ("s3cret", "guess", {"authorization": {"token": "s3cret"}}),
            "nkey_file": (key, other, {"authorization": {"users": [{"nkey": name}]}}),
            "creds_file": (kept.creds, papers().creds, kept.server),
        }[way]
        if way == "creds_file":  # a server with accounts keeps streams only for one that may
            self.server = {**self.server, "jetstream": False}
        self.secrets = [w for w in (right + wrong).split() if len(w) > 4 and "--" not in w]
        self._way = way
        self.right = secret(folder / "right", right)
        self.wrong = secret(folder / "wrong", wrong)

    def bus(self, url: str, file: str) -> BusConfig:
        """The configuration that names that file."""
        user = {"user": "conclave"} if self._way == "password_file" else {}
        return BusConfig.model_validate({"url": url, self._way: file, **user})


def _users(password: str) -> dict[str, Any]:
    return {"authorization": {"users": [{"user": "conclave", "password": password}]}}


@nats
@pytest.mark.parametrize("way", WAYS)
async def test_credentials_out_of_a_file_open_the_bus(
    way: str, tmp_path: Path, caplog: Log
) -> None:
    """Each way lets in with the right file; the wrong one and none at all are one line each."""
    caplog.set_level(logging.DEBUG)
    guarded = Guarded(tmp_path, way)
    with furnished(tmp_path / "nats", guarded.server) as server:
        bus = guarded.bus(server.url, guarded.right)
        async with line(bus):
            pass
        assert f"See bus.{way}" in await refusal(guarded.bus(server.url, guarded.wrong))
        assert "See bus.user and bus.password_file" in await refusal(BusConfig(url=server.url))
    for text in guarded.secrets:
        assert text not in caplog.text + repr(bus)


@nats
async def test_a_secret_that_was_replaced_holds_at_the_next_connection(tmp_path: Path) -> None:
    """The file is read again whenever we connect: nothing has to be started anew."""
    password = tmp_path / "password"
    with furnished(tmp_path / "nats", _users("old")) as server:
        bus = BusConfig(url=server.url, user="conclave", password_file=secret(password, "old\n"))
        async with line(bus) as client:
            server.stop()
            server.further = _users("new")
            server.start()
            secret(password, "new\n")
            await until_async(lambda: client.stats["reconnects"] == 1, "connected again")


def test_a_user_hears_its_answers_under_a_name_of_its_own(tmp_path: Path) -> None:
    """So that others need not be permitted to listen there."""
    file = secret(tmp_path / "password", "s3cret")
    bus = BusConfig(url=f"nats://{HOST}:1", user="conclave", password_file=file)
    options = actors.bus.credentials(bus)
    assert options["inbox_prefix"] == "_INBOX_conclave"
    assert "inbox_prefix" not in actors.bus.credentials(BusConfig())


@pytest.mark.parametrize("name", [*WAYS, "tls_ca", "tls_cert", "tls_key"])
async def test_a_file_that_is_not_there_is_one_line(name: str, tmp_path: Path) -> None:
    """It is said which one, before anybody is asked anything."""
    there = secret(tmp_path / "there", "x")
    beside = {
        "password_file": {"user": "me"},
        "tls_cert": {"tls_key": there, "tls_ca": there},
        "tls_key": {"tls_cert": there, "tls_ca": there},
    }.get(name, {})
    bus = BusConfig.model_validate({name: str(tmp_path / "nowhere"), **beside})
    with pytest.raises(SetupError, match=rf"bus\.{name}: .*nowhere cannot be read") as caught:
        await connect(bus, "test", lambda: None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("token_file", "\n", "holds no token"),
        ("nkey_file", "UABC", "holds no nkey"),
        ("creds_file", "-----BEGIN NATS USER JWT-----\neyJ", "holds no JWT with its seed"),
        ("tls_ca", "no certificate", "holds no certificate"),
    ],
)
async def test_a_file_that_holds_something_else_is_one_line(
    name: str, text: str, says: str, tmp_path: Path
) -> None:
    """What it should hold is said, and not what it holds."""
    bus = BusConfig.model_validate({name: secret(tmp_path / "file", text)})
    with pytest.raises(SetupError, match=says):
        await connect(bus, "test", lambda: None)


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_secret_that_all_may_read_is_warned_of(
    mode: int, warned: bool, tmp_path: Path, caplog: Log
) -> None:
    """A group may share it: that is how clusters hand secrets to processes."""
    file = secret(tmp_path / "token", "s3cret")
    Path(file).chmod(mode)
    actors.bus.credentials(BusConfig(token_file=file))
    assert ("chmod o=" in caplog.text) is warned


# --- closed for good ---


async def too_long(client: Connection, _server: Furnished) -> None:
    """A subject over the control line."""
    await client.publish("planning." + "x" * 5000, b"")


async def too_large(client: Connection, _server: Furnished) -> None:
    """Headers that the client does not count, over the largest payload."""
    await client.publish("a", b"x" * (client.max_payload - 1000), headers={"A": "b" * 2000})


async def revoked(_client: Connection, server: Furnished) -> None:
    """The user's password is another one now."""
    server.further = _users("other")
    server.reload()


CLOSINGS = pytest.mark.parametrize("closing", [too_long, too_large, revoked])


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Furnished]:
    """A server that knows one user."""
    with furnished(tmp_path / "nats", _users("s3cret")) as server:
        yield server


@pytest.fixture
def bus(own: Furnished, tmp_path: Path) -> BusConfig:
    """The way into it."""
    file = secret(tmp_path / "password", "s3cret")
    return BusConfig(url=own.url, user="conclave", password_file=file)


@nats
@CLOSINGS
async def test_who_is_closed_for_good_is_told_once(
    closing: Callable[[Connection, Furnished], Any], own: Furnished, bus: BusConfig
) -> None:
    """Whatever the server closes us for; and nobody is told where we leave."""
    told: list[str] = []
    async with line(bus, lambda: told.append("closed")) as client:
        async with line(bus, lambda: told.append("left")):
            pass
        await closing(client, own)
        await until_async(lambda: told, "told")
        assert client.is_closed
    assert told == ["closed"]


@nats
@CLOSINGS
async def test_a_bridge_that_is_closed_for_good_ends(
    closing: Callable[[Connection, Furnished], Any],
    own: Furnished,
    bus: BusConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its process is told to, once; a new one does what it left."""
    monkeypatch.setattr("actors.bridge.FETCH_S", 0.2)
    ends: list[int] = []
    bridge = Bridge(fleet(bus), unasked, on_closed=lambda: ends.append(1))
    await bridge.start()
    assert bridge._client is not None
    await closing(bridge._client, own)
    await until_async(lambda: ends, "its end")
    await bridge.stop(grace_s=0.1)
    assert ends == [1]


@nats
async def test_a_council_that_is_closed_for_good_ends(own: Furnished, bus: BusConfig) -> None:
    """Its process is told to: a new one takes up its work from the journal."""
    deaths: list[int] = []
    council = CouncilActor(fleet(bus), "DEV", lambda _config, _council: {}, deaths.append)
    async with line(bus) as client:
        await applied(client.streams(), bus)
    with pytest.raises(NotFound):
        await council.read("t-1")
    own.further = _users("other")
    own.reload()
    await until_async(lambda: deaths, "its end")
    assert deaths == [1]
    await crash(council)


@nats
async def test_an_edge_that_is_closed_for_good_connects_anew(
    own: Furnished, bus: BusConfig, tmp_path: Path
) -> None:
    """It serves others beside, so it stays; who asks next finds the new connection."""
    desk = Desk(fleet(bus), roster(fleet(bus)), NotImplemented, lambda _name: None)
    async with line(bus) as client:
        await applied(client.streams(), bus)
        with pytest.raises(NotFound):
            await desk.journalled("t-1")
        own.further = _users("other")
        secret(tmp_path / "password", "other")
        own.reload()
        await until_async(lambda: client.is_closed, "closed")

    async def connected_anew() -> bool:
        try:
            await desk.journalled("t-1")
        except Unavailable:  # the old one, which has not heard of it yet
            return False
        except NotFound:
            return True
        raise AssertionError("there is no t-1")

    await reaches(connected_anew, "connected anew")
    await desk._opened().close()


# --- half-open ---


def test_a_half_open_line_is_noticed_within_fifteen_seconds() -> None:
    """The ping that is sent when so many are unanswered gives the line up."""
    worst_s = actors.bus.PING_EVERY_S * (actors.bus.PINGS_UNANSWERED + 1)
    assert worst_s <= 15


@nats
@pytest.mark.parametrize("unsent", [0, 40])
async def test_a_line_that_is_silent_is_replaced(
    unsent: int, nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the time of three pings, also with megabytes on it that nobody takes any more."""
    monkeypatch.setattr("actors.bus.PING_EVERY_S", 0.2)
    async with proxied(nats.port) as proxy, line(BusConfig(url=proxy.url)) as client:
        proxy.forget()
        began = time.monotonic()
        for _ in range(unsent):
            await client.publish("a", b"x" * 500_000)
        await until_async(lambda: proxy.accepted == 2, "replaced")
        assert time.monotonic() - began < 3 * (3 * 0.2 + 1)  # it rests a second between attempts
        await until_async(lambda: client.is_connected, "connected anew")
        await client.flush()


@nats
async def test_a_silent_line_can_be_left(nats: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although what it has not sent will never go."""
    monkeypatch.setattr("actors.bus.ANSWER_S", 0.2)
    async with proxied(nats.port) as proxy:
        async with line(BusConfig(url=proxy.url)) as client:
            proxy.forget()
            client._transport.write(bytes(40_000_000))
            began = time.monotonic()
        assert time.monotonic() - began < 3.0


# --- what is not permitted ---


@nats
async def test_what_is_not_permitted_is_said(tmp_path: Path, caplog: Log) -> None:
    """To whoever asks, in the trouble, once in the log; it passes when it is not told again."""
    permissions = {"publish": {"deny": ["$JS.API.STREAM.CREATE.>"]}, "subscribe": ">"}
    user = {"user": "conclave", "password": "s3cret", "permissions": permissions}
    file = secret(tmp_path / "password", "s3cret")
    with furnished(tmp_path / "nats", {"authorization": {"users": [user]}}) as server:
        async with line(BusConfig(url=server.url, user="conclave", password_file=file)) as client:
            assert client.trouble == ""
            js = client.jetstream(timeout=0.3)
            with pytest.raises(Forbidden, match=r"\$js\.api\.stream\.create\.mine"):
                await js.add_stream(name="MINE", subjects=["mine"])
            assert "does not permit" in client.trouble
            assert "$js.api.stream.create.mine" in client.trouble
            with pytest.raises(Forbidden):
                await js.add_stream(name="MINE", subjects=["mine"])
            assert caplog.text.count("$js.api.stream.create.mine") == 1
            client._refused = {what: at - 61 for what, at in client._refused.items()}
            assert client.trouble == ""


@nats
async def test_a_council_that_may_not_read_the_journal_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks it is told at once that it is of no use, and its health says why."""
    monkeypatch.setattr("actors.bus.REQUEST_S", 0.3)
    denied = {"publish": {"deny": ["$JS.API.STREAM.MSG.GET.>"]}, "subscribe": ">"}
    user = {"user": "conclave", "password": "s3cret", "permissions": denied}
    file = secret(tmp_path / "password", "s3cret")
    with furnished(tmp_path / "nats", {"authorization": {"users": [user]}}) as server:
        bus = BusConfig(url=server.url, user="conclave", password_file=file)
        council = CouncilActor(fleet(bus), "DEV", lambda _config, _council: {})
        assert (await council.health()).trouble == ""
        with pytest.raises(Unavailable, match="does not permit"):
            await council.read("t-1")
        health = await council.health()
        assert "$js.api.stream.msg.get." in health.trouble
        assert _standing(health) == ("failed", health.trouble)
        await crash(council)


@nats
async def test_a_bridge_that_may_not_take_events_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its health names what is not permitted, although it is connected."""
    monkeypatch.setattr("actors.bridge.FETCH_S", 0.2)
    denied = {"publish": {"deny": ["$JS.API.CONSUMER.MSG.NEXT.>"]}, "subscribe": ">"}
    users = [
        {"user": "conclave", "password": "s3cret", "permissions": denied},
        {"user": "other", "password": "s3cret"},
    ]
    file = secret(tmp_path / "password", "s3cret")
    with furnished(tmp_path / "nats", {"authorization": {"users": users}}) as server:
        bus = BusConfig(url=server.url, user="conclave", password_file=file)
        async with connected(server.url, bus.model_copy(update={"user": "other"})):
            pass
        bridge = Bridge(fleet(bus), unasked)
        await bridge.start()

        async def said() -> bool:
            return "$js.api.consumer.msg.next." in (await bridge.health()).trouble

        await reaches(said, "it is said")
        assert _standing(await bridge.health())[0] == "failed"
        await bridge.stop(grace_s=0.1)
