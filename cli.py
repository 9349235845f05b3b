"""The command `conclave`; knows nothing of what its subcommands do inside."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from types import FrameType
from typing import TYPE_CHECKING

from rich.console import Console

from commands.arguments import Help, add_url
from commands.asking import add_deliberate, options_of
from commands.forking import add_fork, add_replay
from commands.here import add_demo, add_doctor, add_serve
from commands.hints import default_url
from commands.ordering import add_event, add_orchestrate
from commands.reading import add_ones, add_plan, add_status, add_story
from commands.searching import add_list, add_metrics, wanted_of
from commands.seating import add_agents, add_councils
from commands.tasking import add_context, add_derive
from commands.tending import add_deadletter, add_streams
from engine.errors import ConclaveError, InvalidRequest

if TYPE_CHECKING:
    from commands.watch import Form, Screen
    from conclave import Client

ABOUT = """\
Councils of agents that deliberate: each drafts alone, criticises its peers, revises and votes;
the decision comes with its reasons, its dissent and its cost.
"""
UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Why output cannot be written, by no fault of ours."""
EXAMPLES = """\
a first session, in two terminals:
  conclave doctor                     is this machine ready?
  conclave serve                      run the engine here
  conclave deliberate 'Name two ways to test a clock' --role DEV --watch
  conclave councils                   who there is to ask
"""


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; the exit code is 0, 1 after a line that says what is wrong, or 130."""
    options = _parser().parse_args(arguments)
    # A plain kill ends as Ctrl-C does: everything that was started is stopped first.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        options.run(options)
    except ConclaveError as error:
        print(f"conclave: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupted:
        print(f"conclave: {interrupted or 'interrupted'}", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left goes nowhere
        if error.errno != errno.EPIPE:  # else whoever reads our output has seen enough
            print(f"conclave: not all could be written ({error.strerror})", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="conclave", description=ABOUT, epilog=EXAMPLES, formatter_class=Help
    )
    parser.add_argument("--version", action="version", version=f"conclave {_version()}")
    add_url(parser, default_url())
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_demo(commands).set_defaults(run=_demo)
    add_serve(commands).set_defaults(run=_serve)
    add_doctor(commands).set_defaults(run=_doctor)
    add_deliberate(commands).set_defaults(run=_deliberate)
    add_orchestrate(commands).set_defaults(run=_orchestrate)
    add_plan(commands).set_defaults(run=_plan)
    add_event(commands).set_defaults(run=_event)
    for one in add_ones(commands):
        one.set_defaults(run=_one)
    add_story(commands).set_defaults(run=_story)
    add_list(commands).set_defaults(run=_list)
    add_metrics(commands).set_defaults(run=_metrics)
    add_status(commands).set_defaults(run=_status)
    add_councils(commands).set_defaults(run=_councils)
    add_agents(commands).set_defaults(run=_agents)
    add_replay(commands).set_defaults(run=_replay)
    add_fork(commands).set_defaults(run=_fork)
    add_derive(commands).set_defaults(run=_derive)
    add_context(commands).set_defaults(run=_context)
    add_streams(commands).set_defaults(run=_streams)
    add_deadletter(commands).set_defaults(run=_deadletter)
    return parser


def _demo(options: argparse.Namespace) -> None:
    from commands.demo import default_out, demo  # what it needs takes a second to import

    try:
        demo(options.plan, options.out or default_out(), _console())
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; everything is stopped") from None


def _serve(options: argparse.Namespace) -> None:
    from commands.serve import serve
    from commands.site import Wanted

    wanted = Wanted(
        store=options.store,
        port=options.port,
        grpc_port=options.grpc_port,
        nats_port=options.nats_port,
        bus=options.bus,
        address=options.address,
        file=options.config,
    )
    try:
        serve(wanted, _console())
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; everything is stopped") from None


def _doctor(options: argparse.Namespace) -> None:
    from commands.doctor import Ports, doctor

    with _client(options) as client:
        doctor(client, Ports(options.port, options.grpc_port, options.nats_port), _console())


def _deliberate(options: argparse.Namespace) -> None:
    from commands.deliberate import Ask, deliberate, detach, new_id

    ask = Ask(
        text=options.text,
        role=options.role,
        id=options.id or new_id(),
        title=options.title,
        story=options.story,
        rubric=options.rubric,
        require=tuple(options.require),
        timeout=options.timeout,
        how=options_of(options),
    )
    screen, form = _screen(), _form(options)
    with _client(options, screen.beside(form).print) as client:
        (detach if options.detach else deliberate)(client, ask, form, screen)


def _orchestrate(options: argparse.Namespace) -> None:
    from commands.deliberate import new_id
    from commands.orders import Order, orchestrate

    order = Order(
        text=options.text,
        role=options.role,
        id=options.id or new_id(),
        title=options.title,
        rubric=options.rubric,
        require=tuple(options.require),
        story=options.story,
        case=options.case,
        plan=options.plan,
        rounds=options.rounds,
        review=not options.no_review,
        architect=not options.no_architect,
        params=tuple(options.pairs),
        timeout=options.timeout,
    )
    screen, form = _screen(), _form(options)
    with _client(options, screen.beside(form).print) as client:
        orchestrate(client, order, form, screen)


def _event(options: argparse.Namespace) -> None:
    from commands.orders import hand_in

    event = {
        "event_type": options.type,
        "case_id": options.story,
        "plan_id": options.plan,
        "from_state": options.left,
        "to_state": options.entered,
        "metadata": dict(options.pairs),
    }
    with _client(options) as client:
        hand_in(client, event, options.key, _form(options), _screen())


def _plan(options: argparse.Namespace) -> None:
    from commands.plan import plan

    with _client(options) as client:
        plan(client, options.file, options.bus, _form(options), _screen())


def _one(options: argparse.Namespace) -> None:
    from commands.show import cancel, show
    from commands.watch import watch

    screen, form = _screen(), _form(options)
    with _client(options, screen.beside(form).print) as client:
        does = {"watch": watch, "show": show, "cancel": cancel}[options.command]
        does(client, options.id, form, screen)


def _replay(options: argparse.Namespace) -> None:
    from commands.replay import replay, replay_file

    if options.file:
        replay_file(options.file, _form(options), _screen())
        return
    screen, form = _screen(), _form(options)
    with _client(options, screen.beside(form).print) as client:
        replay(client, options.id, form, screen)


def _fork(options: argparse.Namespace) -> None:
    from commands.deliberate import new_id
    from commands.fork import Change, fork

    change = Change(
        origin=options.origin,
        id=options.id or new_id(),
        without=tuple(options.without),
        policy=options.policy,
        tally=options.tally,
        model=options.model,
    )
    screen, form = _screen(), _form(options)
    with _client(options, screen.beside(form).print) as client:
        fork(client, change, form, screen)


def _story(options: argparse.Namespace) -> None:
    from commands.look import story

    with _client(options) as client:
        story(client, options.id, _form(options), _screen())


def _derive(options: argparse.Namespace) -> None:
    from commands.tasking import plan_of
    from commands.tasks import derive

    with _client(options) as client:
        derive(client, plan_of(options), options.key, _form(options), _screen())


def _context(options: argparse.Namespace) -> None:
    from commands.tasking import sight_of
    from commands.tasks import context

    with _client(options) as client:
        context(client, sight_of(options), _form(options), _screen())


def _list(options: argparse.Namespace) -> None:
    from commands.look import deliberations

    wanted = wanted_of(options)
    with _client(options) as client:
        deliberations(client, wanted, options.limit, options.cursor, _form(options), _screen())


def _metrics(options: argparse.Namespace) -> None:
    from commands.metrics import metrics

    with _client(options) as client:
        metrics(client, options.type, options.last, _form(options), _screen())


def _streams(options: argparse.Namespace) -> None:
    from commands.reach import bus_of
    from commands.streams import apply, check

    further = {"replicas": options.replicas, "start": getattr(options, "start", None)}
    does = {"apply": apply, "check": check}[options.action]
    does(bus_of(options, **further), _form(options), _screen())


def _deadletter(options: argparse.Namespace) -> None:
    from commands.letters import Chosen, list_letters, replay_letters, show_letter
    from commands.reach import bus_of

    bus, form, screen = bus_of(options), _form(options), _screen()
    match options.action:
        case "list":
            list_letters(bus, options.limit, options.kind, form, screen)
        case "show":
            show_letter(bus, options.letter, form, screen)
        case "replay":
            if options.all != bool(options.kind) or options.all == bool(options.letter):
                raise InvalidRequest("replay", "takes either STREAM/SEQ, or --all with --kind")
            chosen = Chosen(options.letter, options.kind, options.again)
            replay_letters(bus, chosen, form, screen)


def _status(options: argparse.Namespace) -> None:
    from commands.look import status

    with _client(options) as client:
        status(client, _form(options), _screen())


def _councils(options: argparse.Namespace) -> None:
    from commands.chamber import create, delete
    from commands.look import councils

    form, screen = _form(options), _screen()
    with _client(options) as client:
        match options.action:
            case "create":
                create(client, options, form, screen)
            case "delete":
                delete(client, options, form, screen)
            case _:
                councils(client, form, screen)


def _agents(options: argparse.Namespace) -> None:
    from commands.chamber import add, remove, seats

    does = {"add": add, "remove": remove, "list": seats}[options.action]
    with _client(options) as client:
        does(client, options, _form(options), _screen())


def _client(options: argparse.Namespace, say: Callable[[str], None] | None = None) -> Client:
    """The server that is asked; who looks at the screen hears at once that nobody is there."""
    from conclave import Client
    from conclave.following import silent

    return Client(options.url, say or silent, retries_s=())


def _form(options: argparse.Namespace) -> Form:
    from commands.watch import Form

    if options.command == "watch" or getattr(options, "watch", False):
        return Form.JSON_LINES if options.json else Form.LIVE
    return Form.JSON if options.json else Form.DECISION


def _screen() -> Screen:
    from commands.watch import Screen

    return Screen(out=_console(), err=Console(file=sys.stderr))


def _console() -> Console:
    """Bound to the terminal of now: while Ray runs, its own words go to a log."""
    return Console(file=sys.stdout)


def _version() -> str:
    try:
        return version("conclave")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
