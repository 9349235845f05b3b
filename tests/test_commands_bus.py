"""Claims about the commands that tend a bus: what they show, change and answer with."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bus_fakes import stored
from papers import secret
from servers import furnished

from actors.bus import Connection, connect
from actors.deadletter import bury
from actors.nats_server import NatsServer
from actors.provision import applied
from actors.streams import PLANS, STREAMS
from cli import main
from engine.arrival import Arrival
from engine.config import BusConfig
from engine.errors import InvalidEvent

pytestmark = pytest.mark.nats

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """As wide as most terminals."""
    monkeypatch.setenv("COLUMNS", "100")


def on_the_bus(url: str, do: Callable[[Connection], Any]) -> Any:
    """What is done over a connection of its own."""

    async def done() -> Any:
        client = await connect(BusConfig(url=url), "test", lambda: None)
        try:
            return await do(client)
        finally:
            await client.leave()

    return asyncio.run(done())


def said(capsys: Capture, *words: str) -> tuple[int, str, str]:
    """The exit code of a command, what it says, and its error."""
    code = main(list(words))
    captured = capsys.readouterr()
    assert captured.err.count("\n") <= 1
    return code, captured.out, captured.err


def test_streams_are_checked_and_applied(nats: NatsServer, capsys: Capture) -> None:
    """Missing, made, nothing left to do; then one that differs, shown and mended."""
    bus = ("--bus", nats.url)
    code, out, err = said(capsys, "streams", "check", *bus)
    assert (code, out.count("missing")) == (1, out.count("\n") - 2)
    assert "are not as they should be; `conclave streams apply`" in err
    code, out, _ = said(capsys, "streams", "apply", *bus)
    assert (code, out.count("created")) == (0, out.count("\n") - 2)
    code, out, _ = said(capsys, "streams", "apply", *bus)
    assert (code, out) == (0, f"Nothing to do: all at 127.0.0.1:{nats.port} is as it should be\n")

    async def change(client: Connection) -> None:
        js = client.streams()
        await js.update_stream((await js.stream_info("CONTEXT")).config, max_age=600, max_msgs=5)

    on_the_bus(nats.url, change)
    code, out, err = said(capsys, "streams", "check", *bus)
    assert code == 1
    assert "max_age: 600 s -> 7 d" in out
    assert "max_msgs: 5 -> 1000000" in out
    assert out.count("ok") == out.count("\n") - 4
    assert "1 of" in err
    code, out, _ = said(capsys, "streams", "apply", *bus)
    assert (code, "max_age: 600 s -> 7 d" in out, "created" in out) == (0, True, False)
    assert said(capsys, "streams", "check", *bus)[0] == 0


def test_streams_can_be_read_by_programs(nats: NatsServer, capsys: Capture) -> None:
    """One document, of check and of apply."""
    _, out, _ = said(capsys, "streams", "apply", "--bus", nats.url, "--json")
    first = json.loads(out)[0]
    assert first == {"what": "stream", "name": PLANS, "missing": True, "drifts": []}
    _, out, _ = said(capsys, "streams", "apply", "--bus", nats.url, "--json")
    assert json.loads(out) == []
    code, out, _ = said(capsys, "streams", "check", "--bus", nats.url, "--replicas", "3", "--json")
    drift = {"field": "num_replicas", "found": "1", "wanted": "3"}
    assert (code, json.loads(out)[0]["drifts"]) == (1, [drift])


def test_durables_begin_where_apply_is_told(nats: NatsServer, capsys: Capture) -> None:
    """All old events wait for them, instead of none."""

    async def publish(client: Connection) -> None:
        js = client.streams()
        await js.add_stream(STREAMS[0])
        await js.publish("planning.plan.approved", b"{}")

    async def waiting(client: Connection) -> int | None:
        info = await client.streams().consumer_info(PLANS, "orch-planning-plan-approved")
        return info.num_pending

    on_the_bus(nats.url, publish)
    code, _, err = said(capsys, "streams", "apply", "--bus", nats.url, "--start", "yesterday")
    assert (code, "bus.start: is now, all, or a time such as" in err) == (1, True)
    assert said(capsys, "streams", "apply", "--bus", nats.url, "--start", "all")[0] == 0
    assert on_the_bus(nats.url, waiting) == 1


def test_a_bus_is_reached_as_its_configuration_says(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of a Serve config, or by options; a wrong password is one line that does not show it."""
    users = {"authorization": {"users": [{"user": "op", "password": "s3cret"}]}}
    right, wrong = secret(tmp_path / "right", "s3cret"), secret(tmp_path / "wrong", "gu3ss")
    with furnished(tmp_path / "nats", users) as server:
        bus = {"url": server.url, "user": "op", "password_file": right}
        args = {"pools": {"small": {"model": "m"}}, "bus": bus}
        application = {"import_path": "serve_app:build", "args": args}
        config = tmp_path / "config.yaml"
        config.write_text(json.dumps({"applications": [application]}))
        assert said(capsys, "streams", "apply", "--config", str(config))[0] == 0
        who = ("--bus", server.url, "--user", "op", "--password-file")
        assert said(capsys, "streams", "check", *who, right)[0] == 0
        code, out, err = said(capsys, "streams", "check", *who, wrong)
    assert (code, out) == (1, "")
    assert "refuses user op: Authorization Violation. See bus.password_file" in err
    assert "gu3ss" not in err


# --- dead letters ---

EVENT = b'{"story_id": "s"}'
GARBAGE = b"{\x00\xff\x1b[31mred"


@pytest.fixture
def letters(nats: NatsServer) -> tuple[str, ...]:
    """Three dead letters on a bus; the options that name it."""

    async def fill(client: Connection) -> None:
        js = client.streams()
        await applied(js, BusConfig(url=nats.url))
        for kind, data in (("json_invalid", GARBAGE), ("missing", EVENT), ("missing", EVENT)):
            ack = await js.publish("planning.plan.approved", data, headers={"From": "planner"})
            arrival = Arrival(
                PLANS, ack.seq, "planning.plan.approved", data, {"From": "planner"}, deliveries=2
            )
            await bury(client, arrival, InvalidEvent(kind, "payload.plan_id", "not as\x1b[2Jit"))

    on_the_bus(nats.url, fill)
    return ("--bus", nats.url)


def test_dead_letters_are_listed(letters: tuple[str, ...], capsys: Capture) -> None:
    """The newest first: when, which, on what subject, what was wrong; nothing steers the screen."""
    code, out, _ = said(capsys, "deadletter", "list", *letters)
    rows = [line for line in out.splitlines() if PLANS in line]
    assert code == 0
    assert [row.split()[2] for row in rows] == [f"{PLANS}/{seq}" for seq in (3, 2, 1)]
    assert out.count("planning.plan.approved") == 3
    assert "json_invalid at payload.plan_id:" in rows[2]
    assert "\x1b" not in out
    _, out, _ = said(capsys, "deadletter", "list", *letters, "--limit", "1")
    assert out.count(PLANS) == 1
    _, out, _ = said(capsys, "deadletter", "list", *letters, "--kind", "json_invalid")
    assert f"{PLANS}/1" in out
    assert out.count(PLANS) == 1
    _, out, _ = said(capsys, "deadletter", "list", *letters, "--kind", "other")
    assert out == "No dead letters of kind other\n"
    _, out, _ = said(capsys, "deadletter", "list", *letters, "--json")
    assert [letter["seq"] for letter in json.loads(out)] == [3, 2, 1]


def test_a_dead_letter_is_shown_whole(letters: tuple[str, ...], capsys: Capture) -> None:
    """Everything about it; its bytes as text, or as a dump where they are none."""
    code, out, _ = said(capsys, "deadletter", "show", f"{PLANS}/2", *letters)
    assert code == 0
    for part in (
        "missing",
        "payload.plan_id",
        "header From",
        "planner",
        EVENT.decode(),
        "17 bytes",
    ):
        assert part in out
    _, out, _ = said(capsys, "deadletter", "show", f"{PLANS}/1", *letters)
    assert "00000000  7b 00 ff 1b 5b 33 31 6d 72 65 64" in out
    assert "{...[31mred" in out
    assert "\x1b" not in out
    assert f"deadletter replay {PLANS}/1 --bus {letters[1]}" in out
    _, out, _ = said(capsys, "deadletter", "show", f"{PLANS}/2", *letters, "--json")
    assert json.loads(out)["headers"] == {"From": "planner"}


def test_what_is_long_is_short_in_a_list_and_text_where_it_is_cut(
    nats: NatsServer, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On 80 columns an error takes few lines; a cut within a character makes no dump of a text."""
    monkeypatch.setenv("COLUMNS", "80")
    data = ("x" * 4095 + "\u00e9" * 100).encode()

    async def fill(client: Connection) -> None:
        await applied(client.streams(), BusConfig(url=nats.url))
        arrival = Arrival(PLANS, 1, "planning.plan.approved", data, {}, deliveries=1)
        await bury(client, arrival, InvalidEvent("long", "a\nb", "no " * 170))

    on_the_bus(nats.url, fill)
    _, out, _ = said(capsys, "deadletter", "list", "--bus", nats.url)
    assert out.count("\n") <= 12
    assert "long at a b: no no" in out
    _, out, _ = said(capsys, "deadletter", "show", f"{PLANS}/1", "--bus", nats.url)
    assert "x" * 4095 + "\n... 199 bytes more" in out
    assert "00000000" not in out


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nats://127.0.0.1:1", "no NATS server answers at 127.0.0.1:1 (ConnectionRefusedError"),
        ("127.0.0.1:1", "no NATS server answers at 127.0.0.1:1 (ConnectionRefusedError"),
    ],
)
def test_a_bus_that_is_away_is_one_line(url: str, says: str) -> None:
    """As a process of its own says it: where, why, and no word of each attempt."""
    words = [sys.executable, "cli.py", "streams", "check", "--bus", url]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert says in done.stderr


def test_a_dead_letter_is_replayed_once(
    letters: tuple[str, ...], nats: NatsServer, capsys: Capture
) -> None:
    """Its event is on the bus again; a second time only where that is said."""

    async def events(client: Connection) -> int:
        return await stored(client, PLANS)

    code, out, _ = said(capsys, "deadletter", "replay", f"{PLANS}/2", *letters)
    assert (code, out) == (0, f"{PLANS}/2 is on the bus again as {PLANS}/4\n")
    code, out, err = said(capsys, "deadletter", "replay", f"{PLANS}/2", *letters)
    assert (code, out, "--again" in err) == (1, "", True)
    assert on_the_bus(nats.url, events) == 4
    code, out, _ = said(capsys, "deadletter", "replay", f"{PLANS}/2", *letters, "--again", "--json")
    assert (code, json.loads(out)) == (0, [{"letter": f"{PLANS}/2", "seq": 5}])
    assert "replayed as 5" in said(capsys, "deadletter", "list", *letters)[1]
    _, out, _ = said(capsys, "deadletter", "show", f"{PLANS}/2", *letters)
    assert "as 4" in out
    assert "as 5" in out


def test_all_dead_letters_of_a_kind_are_replayed(letters: tuple[str, ...], capsys: Capture) -> None:
    """In the order in which they came, without those that were already."""
    said(capsys, "deadletter", "replay", f"{PLANS}/2", *letters)
    kind = ("--all", "--kind", "missing")
    code, out, _ = said(capsys, "deadletter", "replay", *kind, *letters)
    assert (code, out) == (0, f"{PLANS}/3 is on the bus again as {PLANS}/5\n")
    code, out, _ = said(capsys, "deadletter", "replay", *kind, *letters)
    assert (code, out) == (0, "Nothing to replay\n")
    _, out, _ = said(capsys, "deadletter", "replay", *kind, "--again", *letters)
    assert [line.split()[0] for line in out.splitlines()] == [f"{PLANS}/2", f"{PLANS}/3"]


def test_what_cannot_be_replayed_among_others_is_said(
    letters: tuple[str, ...], nats: NatsServer, capsys: Capture
) -> None:
    """The others are; the exit code and one line tell of it."""

    async def lose(client: Connection) -> None:
        headers = {"Long": "x" * 600}  # of which the letter keeps the beginning
        arrival = Arrival(PLANS, 99, "planning.plan.approved", EVENT, headers, deliveries=1)
        await bury(client, arrival, InvalidEvent("missing", "payload", "gone"))

    on_the_bus(nats.url, lose)
    kind = ("--all", "--kind", "missing")
    code, out, err = said(capsys, "deadletter", "replay", *kind, *letters)
    assert (code, out.count("is on the bus again")) == (1, 2)
    assert f"not replayed: the event {PLANS}/99 is gone from its stream" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("show x", "x: is no letter"),
        ("show PLANNING_EVENTS/99", "no dead letter PLANNING_EVENTS/99"),
        ("replay", "takes either STREAM/SEQ, or --all with --kind"),
        ("replay --all", "takes either STREAM/SEQ, or --all with --kind"),
        ("replay PLANNING_EVENTS/1 --all --kind x", "takes either STREAM/SEQ, or --all"),
        ("replay PLANNING_EVENTS/1 --kind x", "takes either STREAM/SEQ, or --all"),
        ("list --bus nats://me:s3cret@127.0.0.1", "holds credentials"),
        ("list --user me", "user and password_file go together"),
    ],
)
def test_what_cannot_be_tended_is_one_line(
    words: str, says: str, letters: tuple[str, ...], capsys: Capture
) -> None:
    """With exit code 1, and no secret in it."""
    bus = () if "--bus" in words else letters
    code, out, err = said(capsys, "deadletter", *words.split(), *bus)
    assert (code, out) == (1, "")
    assert says in err
    assert "s3cret" not in err
