"""Claims about the commands that ask a running engine: what they send, show and answer with."""

import io
import json
import os
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from deadline import until
from fastapi import Response
from http_twin import Refusal, Twin, suspended
from rich.console import Console

from cli import main
from commands.deliberate import Ask, deliberate
from commands.watch import Form, Screen
from conclave import BrokenOff, Client
from engine.events import Record
from engine.options import Options, Rule, Topology
from engine.policies import POLICIES
from engine.results import Result
from engine.testing import FlakyModel
from engine.types import Phase

Capture = pytest.CaptureFixture[str]

LOST = {(f"agent-dev-{number:03}", Phase.DRAFT) for number in (1, 2, 3)}


def json_out(capsys: Capture) -> Any:
    """The one document on standard output, with nothing said beside it."""
    captured = capsys.readouterr()
    assert captured.err == ""
    return json.loads(captured.out)


def one_line(capsys: Capture) -> str:
    """The one line on standard error, with nothing on standard output."""
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("conclave: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_deliberate_shows_the_decision(twin: Twin, capsys: Capture) -> None:
    """Winner, its whole text, the order, and what qualifies it; nothing on standard error."""
    assert main(["deliberate", "Clock", "--role", "dev"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    for part in ("DEV decided: agent-dev-", "says revise 1", "1.  agent-dev-", "borda", "tokens"):
        assert part in captured.out


def test_deliberate_sends_what_was_given_and_no_more(twin: Twin, capsys: Capture) -> None:
    """Every option has its field; what was not said is left to the server."""
    options = (
        "--title T --rubric R --require one --require two --rounds 0 --agents 2 --policy council "
        "--timeout 9.5 --id mine --samples 3 --layers 4 --topology k_regular --k 1 --hub 2 "
        "--groups 5 --exchange-every 6 --revise always --ballot ranking --tally ranked_pairs "
        "--early --decide architect --shortlist 7 --quorum 0.75 --stability 8 --gain 0 "
        "--no-until-clean --token-budget 9000"
    )
    twin.refusal = Refusal(400, "InvalidRequest", "enough")
    main(["deliberate", "Clock", "--role", "DEV", *options.split()])
    main(["deliberate", "", "--role", "DEV"])
    first, second = (asked.body for asked in twin.asked)
    assert first == {
        "task_id": "mine",
        "role": "DEV",
        "text": "Clock",
        "title": "T",
        "rubric": "R",
        "requirements": ["one", "two"],
        "rounds": 0,
        "num_agents": 2,
        "policy": "council",
        "timeout_seconds": 9.5,
        "samples": 3,
        "layers": 4,
        "topology": "k_regular",
        "k": 1,
        "hub": 2,
        "groups": 5,
        "exchange_every": 6,
        "revise": "always",
        "ballot": "ranking",
        "tally": "ranked_pairs",
        "early": True,
        "decide": "architect",
        "shortlist": 7,
        "quorum": 0.75,
        "stability": 8,
        "gain": 0.0,
        "until_clean": False,
        "token_budget": 9000,
    }
    assert first.keys() >= Options.model_fields.keys()
    assert second.keys() == {"task_id", "role", "text"}
    assert len(second["task_id"]) == 36


@pytest.mark.parametrize("how", [[], ["--watch"]])
def test_deliberate_reads_files_and_standard_input(
    how: list[str], twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """@FILE and - are texts as they stand there."""
    file = tmp_path / "task.md"
    file.write_text("Ein Täsk\nof two lines\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"from afar")))
    assert main(["deliberate", f"@{file}", "--role", "DEV", *how]) == 0
    assert main(["deliberate", "-", "--role", "DEV", *how]) == 0
    texts = [asked.body["text"] for asked in twin.asked if asked.call.startswith("POST")]
    assert texts == ["Ein Täsk\nof two lines\n", "from afar"]


def test_a_file_that_cannot_be_sent(twin: Twin, tmp_path: Path, capsys: Capture) -> None:
    """It is named; the server is not asked."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert main(["deliberate", f"@{tmp_path}/binary", "--role", "DEV"]) == 1
    assert "binary is no UTF-8 text" in one_line(capsys)
    assert main(["deliberate", f"@{tmp_path}/none", "--role", "DEV"]) == 1
    assert "cannot be read (No such file or directory)" in one_line(capsys)
    assert twin.asked == []


def test_json_is_the_result_and_nothing_else(twin: Twin, capsys: Capture) -> None:
    """Commands `deliberate` and `show` answer alike: the result as the server has it."""
    assert main(["deliberate", "Clock", "--role", "DEV", "--json", "--id", "x/y"]) == 0
    decided = json_out(capsys)
    assert Result.model_validate(decided).status == "completed"
    assert main(["show", "x/y", "--json"]) == 0
    assert json_out(capsys) == decided


@pytest.mark.parametrize("words", [["deliberate", "Clock", "--role", "DEV"], ["watch"]])
def test_watched_json_is_a_record_a_line(words: list[str], twin: Twin, capsys: Capture) -> None:
    """All records, those of the past too."""
    main(["deliberate", "Clock", "--role", "DEV", "--id", "x"])
    capsys.readouterr()
    named = ["--watch", "--id"] if words[0] == "deliberate" else []
    assert main([*words, *named, "x", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [Record.model_validate_json(line) for line in lines] == twin.records["x"]


def test_watched_on_paper_it_is_a_line_each(twin: Twin, capsys: Capture) -> None:
    """Where no board can be drawn: time, who, what, cost and the text's beginning; the decision."""
    twin.speak = FlakyModel({("agent-dev-003", Phase.CRITIQUE)})
    assert main(["deliberate", "Clock", "--role", "DEV", "--watch", "--id", "x"]) == 0
    out = capsys.readouterr().out
    assert "    0 s  DEV is asked (x) Clock\n" in out
    assert "agent-dev-001 drafted (" in out
    assert ") agent-dev-001 says draft 0\n" in out
    assert "agent-dev-002 reviewed agent-dev-001: revise (" in out
    assert "agent-dev-003 is dropped at critique: EngineLost: no engine for agent-dev-003" in out
    assert "degraded: decided without agent-dev-003" in out
    main(["watch", "x"])
    assert capsys.readouterr().out == out


def test_detach_prints_the_id_and_how_to_go_on(twin: Twin, capsys: Capture) -> None:
    """The id alone on standard output, for scripts; the commands beside it."""
    assert main(["deliberate", "Clock", "--role", "DEV", "--detach"]) == 0
    captured = capsys.readouterr()
    id = captured.out.strip()
    assert twin.asked[0].headers["prefer"] == "respond-async"
    assert twin.asked[0].body["task_id"] == id
    assert (
        captured.err.split()
        == f"conclave watch {id} conclave show {id} conclave cancel {id}".split()
    )
    assert main(["deliberate", "Clock", "--role", "DEV", "--detach", "--json"]) == 0
    assert json_out(capsys)["status"] == "in_progress"


@pytest.mark.parametrize("how", [[], ["--watch"], ["--json"], ["--watch", "--json"]])
def test_no_decision_is_exit_code_1(how: list[str], twin: Twin, capsys: Capture) -> None:
    """What there is is shown, and one line says what it lacks."""
    twin.speak = FlakyModel(LOST)
    assert main(["deliberate", "Clock", "--role", "DEV", *how]) == 1
    captured = capsys.readouterr()
    assert captured.err == "conclave: DEV: no decision: QuorumLost: 0 of 3 have a text\n"
    if how == ["--json"]:
        assert json.loads(captured.out)["error_type"] == "QuorumLost"


def interrupt_when(condition: Any) -> threading.Thread:
    """Ctrl-C from outside, once it holds."""

    def wait_and_send() -> None:
        until(condition, "the moment to interrupt")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=wait_and_send)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("how", "text"), [([], "What's a 'clock'?"), (["--watch"], "-x"), (["--json"], "two\nlines")]
)
def test_ctrl_c_tells_the_command_that_goes_on(
    how: list[str], text: str, twin: Twin, capsys: Capture
) -> None:
    """The server sees us leave; the printed command, run as it is, sends the same request."""
    twin.hold = 4
    said = [
        "--role",
        "DEV",
        "--rounds",
        "2",
        "--tally",
        "score",
        "--no-early",
        "--until-clean",
        "--gain",
        "0.01",
    ]
    ask = ["deliberate", *how, *said, "--require=-a b", "--", text]
    interrupter = interrupt_when(lambda: twin.records)
    assert main(ask) == 130
    interrupter.join()
    until(lambda: twin.left == list(twin.records), "the twin sees the caller leave")
    error = capsys.readouterr().err
    assert error.startswith("conclave: suspended, unless somebody else waits for it. To go on:  ")
    again = shlex.split(error.partition("To go on:  ")[2])
    assert again[0] == "conclave"
    twin.hold = 0
    assert main(again[1:]) == 0
    posts = [asked.body for asked in twin.asked if asked.call.startswith("POST")]
    assert posts[0] == posts[1]
    assert posts[0]["text"] == text


def test_a_deliberation_that_breaks_off_for_good(twin: Twin) -> None:
    """After the attempts, each of them said, the command that goes on is told."""
    twin.cuts = [(2, None)] * 2
    out, err = Console(file=io.StringIO()), Console(file=io.StringIO(), width=500)
    with (
        Client(twin.url, err.print, pauses_s=(0.0,)) as client,
        pytest.raises(BrokenOff, match=r"To go on:  conclave deliberate Clock --role DEV --id x$"),
    ):
        deliberate(client, Ask("Clock", "DEV", "x"), Form.DECISION, Screen(out, err))
    assert "trying again (1 of 1)" in err.file.getvalue()
    assert main(["deliberate", "Clock", "--role", "DEV", "--id", "x"]) == 0


def test_watching_can_be_left(twin: Twin, capsys: Capture) -> None:
    """Who watches waits for it, so it is said when it goes on without."""
    main(["deliberate", "Clock", "--role", "DEV", "--id", "x"])
    twin.hold = 3
    interrupter = interrupt_when(lambda: twin.asked[-1].call.endswith("/events"))
    assert main(["watch", "x"]) == 130
    interrupter.join()
    assert "not watched any more" in capsys.readouterr().err


def test_show_what_has_not_ended(twin: Twin, capsys: Capture) -> None:
    """The texts so far, and that it is suspended."""
    main(["deliberate", "Clock", "--role", "DEV", "--id", "x"])
    twin.records["x"] = suspended(twin.records["x"])
    capsys.readouterr()
    assert main(["show", "x"]) == 0
    out = capsys.readouterr().out
    assert "DEV suspended: no decision" in out
    assert "agent-dev-001 says draft 0" in out


def test_cancel_ends_it_once(twin: Twin, capsys: Capture) -> None:
    """What was written stays; a second time it has ended already."""
    main(["deliberate", "Clock", "--role", "DEV", "--id", "x"])
    twin.records["x"] = suspended(twin.records["x"])
    capsys.readouterr()
    assert main(["cancel", "x"]) == 0
    assert capsys.readouterr().out == "DEV: cancelled. What was written stays: conclave show x\n"
    assert main(["cancel", "x"]) == 1
    assert one_line(capsys) == "conclave: deliberation 'x' has ended already\n"
    assert main(["show", "x", "--json"]) == 0
    assert json_out(capsys)["error_type"] == "Cancelled"


def test_councils_and_status(twin: Twin, capsys: Capture) -> None:
    """Tables for people, the server's own JSON for programs."""
    assert main(["councils"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[:3] for line in out.splitlines()[2:4]] == [
        ["DEV", "3", "busy"],
        ["QA", "3", "idle"],
    ]
    assert main(["status"]) == 0
    out = capsys.readouterr().out
    for part in ("degraded", "out of memory", "1 h 2 min", "DEV 8, QA 4", "48.2 s", "2 pending, 1"):
        assert part in out
    assert main(["councils", "--json"]) == 0
    assert len(json_out(capsys)) == 5
    assert main(["status", "--json"]) == 0
    assert json_out(capsys)["stats"]["total_deliberations"] == 12


def test_a_story(twin: Twin, capsys: Capture) -> None:
    """Its text as agents are shown it, under its hash; for programs the server's own JSON."""
    assert main(["story", "s 1/a"]) == 0
    first, *text = capsys.readouterr().out.splitlines()
    assert main(["story", "s 1/a", "--json"]) == 0
    found = json_out(capsys)
    assert first == f"s 1/a: 1 notes, hash {found['hash']}"
    assert "\n".join(text) == found["text"].replace("\x1b", "")
    assert twin.asked[-1].call == "GET /v1/stories/s 1/a"


def test_a_task_may_belong_to_a_story(twin: Twin, capsys: Capture) -> None:
    """It is in the request, and in the command that goes on."""
    assert main(["deliberate", "Clock", "--role", "DEV", "--story", "s-1"]) == 0
    assert twin.asked[0].body["story_id"] == "s-1"
    assert Ask("Clock", "DEV", "x", story="-s").words() == [
        "Clock",
        "--role",
        "DEV",
        "--id",
        "x",
        "--story=-s",
    ]


def test_the_list_of_deliberations(twin: Twin, capsys: Capture) -> None:
    """Newest first, a page at a time, with the way to the next one; JSON for programs."""
    for id in ("a", "b", "c"):
        main(["deliberate", "Clock", "--role", "DEV", "--id", id])
    capsys.readouterr()
    assert main(["list", "--limit", "2"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in shown[2:4]] == [
        ["c", "DEV", "completed"],
        ["b", "DEV", "completed"],
    ]
    assert shown[-1].split() == ["more:", "--cursor", "2"]
    assert main(["list", "--limit", "2", "--cursor", "2", "--json"]) == 0
    page = json_out(capsys)
    assert ([one["id"] for one in page["deliberations"]], page["cursor"]) == (["a"], "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--role", "dev"], {"role": "dev"}),
        (["--story", "s-1"], {"story": "s-1"}),
        (["--status", "failed"], {"status": "failed"}),
        (["--since", "2026-11-26T10:00+00:00"], {"since": "1795687200.0"}),
        (["--until", "2026-11-26T10:00Z"], {"until": "1795687200.0"}),
        (["--text", "a & b"], {"text": "a & b"}),
        (["--cursor", "7"], {"cursor": "7"}),
        (["--limit", "3"], {"limit": "3"}),
    ],
)
def test_each_filter_of_a_list_is_sent(
    options: list[str], said: dict[str, str], twin: Twin, capsys: Capture
) -> None:
    """And nothing else but how many there are to be."""
    assert main(["list", *options]) == 0
    assert twin.asked[-1].said == {"limit": "20", **said}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--status", "done"], "status: 'done' is none; known: in_progress, suspended"),
        (["--since", "2026-11-26", "--until", "2026-11-26"], "until: "),
        (["--text", "x" * 501], "text: "),
    ],
)
def test_a_filter_that_means_nothing_is_refused(
    options: list[str], words: str, twin: Twin, capsys: Capture
) -> None:
    """In one line, before anybody is asked."""
    assert main(["list", *options]) == 1
    assert capsys.readouterr().err.startswith(f"conclave: {words}")
    assert twin.asked == []


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["list", "--since", "soon"], "2026-11-26T10:00"),
        (["metrics", "--last", "7"], "such as 90s"),
        (["metrics", "--last", "h"], "such as 90s"),
    ],
)
def test_what_is_asked_for_as_a_time_must_be_one(
    words: list[str], remedy: str, capsys: Capture
) -> None:
    """The parser says what it takes."""
    with pytest.raises(SystemExit):
        main(words)
    assert remedy in capsys.readouterr().err


def test_an_answer_that_lacks_something_says_so(twin: Twin, capsys: Capture) -> None:
    """Beside lists and figures, not among them; in JSON as a field."""
    twin.behind = "the journal is still being read"
    for command in ("list", "metrics"):
        assert main([command]) == 0
        shown = capsys.readouterr()
        assert twin.behind in shown.err
        assert twin.behind not in shown.out
        assert main([command, "--json"]) == 0
        assert json_out(capsys)["behind"] == twin.behind


def test_the_engine_in_figures(twin: Twin, capsys: Capture) -> None:
    """Councils a line each, then latencies and agents; what is not known is a dash."""
    assert main(["metrics", "--last", "15m", "--type", "all"]) == 0
    assert twin.asked[-1].said == {"metric_type": "all", "time_range_ms": "900000"}
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "council-dev busy 3 1 75%" in shown
    assert "council-qa away 0 0 -" in shown
    latencies = "deliberations 1.5 s on average, half within 1.0 s"
    assert any(line.startswith(latencies) for line in shown)
    assert "agents 3 of 6 available (DEV 3, QA 3); a reply takes 0.2 s" in shown
    assert main(["metrics", "--json"]) == 0
    assert json_out(capsys)["performance"]["p99_latency_ms"] == 4000


def test_a_server_of_another_version(twin: Twin, capsys: Capture) -> None:
    """What it leaves out is not shown; what it adds does no harm."""
    twin.answer = Response('[{"role": "DEV", "status": 7, "running": null, "new": []}]')
    assert main(["councils"]) == 0
    assert "DEV" in capsys.readouterr().out
    twin.answer = Response('{"status": "healthy", "bus": "nats://x", "stats": null, "http": {}}')
    assert main(["status"]) == 0
    assert "healthy" in capsys.readouterr().out


ERRORS = [
    (400, "InvalidRequest", "text: 5000 tokens are over the budget of 1200"),
    (404, "NotFound", "no deliberation 'x'"),
    (409, "Conflict", "task_id 'x' belongs to another request; send a new one"),
    (409, "Ended", "deliberation 'x' has ended already"),
    (413, "TooLarge", "body: 300000 bytes are over this server's cap of 262144"),
    (500, "Broken", "deliberation x broke off by a bug"),
    (503, "Overloaded", "its engines refused the turn"),
    (503, "Unavailable", "council DEV is away"),
    (504, "DeadlineExceeded", "the time is up before the end"),
]
ASKING = ["deliberate Clock --role LEGAL --rounds 9 --agents 9 --policy duel --timeout -1"]
COMMANDS = [
    *ASKING,
    f"{ASKING[0]} --watch",
    f"{ASKING[0]} --detach",
    f"{ASKING[0]} --json",
    "watch x",
    "show x",
    "cancel x",
    "list",
    "metrics",
    "councils",
    "status",
]


@pytest.mark.parametrize("words", COMMANDS)
def test_every_refusal_is_one_line(words: str, twin: Twin, capsys: Capture) -> None:
    """Command x error: the problem's own detail, on standard error, and exit code 1."""
    for status, title, detail in ERRORS:
        twin.refusal = Refusal(status, title, detail)
        assert main(words.split()) == 1
        assert one_line(capsys) == f"conclave: {detail}\n"
    assert len(twin.asked) == len(ERRORS)


@pytest.mark.parametrize("how", ["", "--watch --json", "--detach"])
def test_what_cannot_be_asked_is_said_by_the_server(
    how: str, twin: Twin, tmp_path: Path, capsys: Capture
) -> None:
    """Whatever is wrong with a request, the server's own check says it, in one line."""
    long = tmp_path / "long"
    long.write_text("word " * 60_000)
    main(["deliberate", "Clock", "--role", "DEV", "--id", "taken", "--detach"])
    capsys.readouterr()
    for wrong, says in (
        ("Clock --role LEGAL", "role: no council 'LEGAL'; known roles: DEV, QA, ARCHITECT"),
        (" --role DEV", "text: String should have at least 1 character"),
        ("Clock --role DEV --rounds 9", "rounds: 9 is over this server's cap of 4"),
        ("Clock --role DEV --rounds -1", "rounds: Input should be greater than or equal to 0"),
        ("Clock --role DEV --agents 9", "num_agents: 9 is over this server's cap of 3"),
        ("Clock --role DEV --agents 0", "num_agents: Input should be greater than or equal to 1"),
        ("Clock --role DEV --samples 3", "samples: means nothing under policy 'council'"),
        ("Clock --role DEV --quorum 2", "quorum: Input should be less than or equal to 1"),
        ("Clock --role DEV --policy duel", "policy: no policy 'duel'; known policies: council, "),
        ("Clock --role DEV --timeout -1", "timeout_seconds: Input should be greater than 0"),
        ("Clock --role DEV --timeout nan", "request: cannot be sent as JSON: "),
        ("Other --role DEV --id taken", "task_id 'taken' belongs to another request"),
        (f"@{long} --role DEV", "body: 30"),
        ("\udcff --role DEV", "body: is no JSON: "),
    ):
        text, _, options = wrong.partition(" ")
        assert main(["deliberate", text, *options.split(), *how.split()]) == 1
        assert says in one_line(capsys)


@pytest.mark.parametrize("words", COMMANDS)
def test_nobody_there(words: str, capsys: Capture) -> None:
    """Who was asked, and how to start it."""
    assert main(["--url", "http://127.0.0.1:1", *words.split()]) == 1
    assert one_line(capsys) == (
        "conclave: nothing answers at http://127.0.0.1:1; start it with `conclave serve`, "
        "or name another (--url)\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        "",
        "dance",
        "show",
        "deliberate Clock",
        "deliberate --role DEV",
        "deliberate Clock --role DEV --rounds many",
        "deliberate Clock --role DEV --agents 1.5",
        "deliberate Clock --role DEV --timeout soon",
        "deliberate Clock --role DEV --tally dice",
        "deliberate Clock --role DEV --early --quorum most",
        "deliberate Clock --role DEV --watch --detach",
    ],
)
def test_a_wrong_call_is_exit_code_2(words: str, capsys: Capture) -> None:
    """It is said what is wrong with it, before anything is asked."""
    with pytest.raises(SystemExit) as left:
        main(words.split())
    assert left.value.code == 2
    assert "usage: conclave" in capsys.readouterr().err


def test_an_id_that_is_empty(capsys: Capture) -> None:
    """It would name all deliberations, or none."""
    with pytest.raises(SystemExit) as left:
        main(["show", " "])
    assert left.value.code == 2
    assert "is empty" in capsys.readouterr().err


def test_help_and_version(capsys: Capture) -> None:
    """Every command is told with an example."""
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("conclave ")
    for name in (
        "demo",
        "serve",
        "deliberate",
        "watch",
        "show",
        "cancel",
        "list",
        "metrics",
        "status",
    ):
        with pytest.raises(SystemExit) as left:
            main([name, "--help"])
        assert left.value.code == 0
        assert f"  conclave {name}" in capsys.readouterr().out


def test_help_tells_every_option(capsys: Capture) -> None:
    """How to deliberate: each option with its choices, and what each policy is."""
    with pytest.raises(SystemExit):
        main(["deliberate", "--help"])
    shown = " ".join(capsys.readouterr().out.partition("how to deliberate:")[2].split())
    for name in Options.model_fields:
        flag = "agents" if name == "num_agents" else name.replace("_", "-")
        assert f" --{flag} " in shown.replace(",", " ")
    for part in (*Rule, *Topology, *POLICIES, *(policy.about for policy in POLICIES.values())):
        assert part in shown
    with pytest.raises(SystemExit):
        main(["deliberate", "Clock", "--role", "DEV", "--tally", "dice"])
    assert "choose from 'plurality', " in capsys.readouterr().err


def test_where_the_server_is_named(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the command, behind it, or in the environment; what is said last counts."""
    url = twin.url
    monkeypatch.setenv("CONCLAVE_URL", "http://127.0.0.1:1")
    assert main(["--url", url, "councils"]) == 0
    assert main(["councils", "--url", f"{url}/"]) == 0
    assert main(["--url", "http://127.0.0.1:1", "councils", "--url", url]) == 0
    assert main(["councils"]) == 1


def test_hints_name_the_server_that_was_named(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """What is printed to be copied asks the same server."""
    monkeypatch.delenv("CONCLAVE_URL")
    main(["deliberate", "Clock", "--role", "DEV", "--detach", "--url", twin.url])
    captured = capsys.readouterr()
    assert f"conclave watch --url {twin.url} {captured.out.strip()}" in captured.err
