"""The command lines of `derive` and `context`, and the requests they say; asks nobody."""

from __future__ import annotations

import argparse
from typing import Any

from commands.arguments import add_command


def add_derive(commands: Any) -> argparse.ArgumentParser:
    """The subcommand `derive`; what it parses is read by `plan_of`."""
    derive = add_command(
        commands,
        "derive",
        "have the architects split an approved plan into tasks",
        "derive p-1",
        "derive p-1 --role DEV --role QA --order DEV,QA --parallel --most 2",
        "derive p-1 --publish",
        url=True,
    )
    derive.add_argument("plan", metavar="PLAN", help="the plan_id that its event has")
    derive.add_argument("--case", default="", metavar="ID", help="default: the plan's story")
    derive.add_argument(
        "--role", action="append", default=[], metavar="ROLE", help="repeatable; default: all"
    )
    derive.add_argument(
        "--order",
        default="",
        metavar="ROLES",
        help="roles with commas between: a task depends on none whose role comes later",
    )
    derive.add_argument(
        "--parallel",
        action="store_true",
        help="tasks may be done at once; without it they are one chain",
    )
    derive.add_argument("--most", type=int, default=0, metavar="N", help="tasks of each role")
    derive.add_argument(
        "--publish", action="store_true", help="ask each task of its council over the bus"
    )
    derive.add_argument("--key", default="", help="another one has it derived anew")
    return derive


def plan_of(options: argparse.Namespace) -> dict[str, Any]:
    """The request for a derivation."""
    order = [role.strip() for role in options.order.split(",") if role.strip()]
    return {
        "plan_id": options.plan,
        "case_id": options.case,
        "roles": options.role,
        "strategy": {
            "parallel_execution": options.parallel,
            "dependency_order": order,
            "max_tasks_per_role": options.most,
            "auto_publish_to_nats": options.publish,
        },
    }


def add_context(commands: Any) -> argparse.ArgumentParser:
    """The subcommand `context`; what it parses is read by `sight_of`."""
    context = add_command(
        commands,
        "context",
        "what an agent sees of a task: its whole prompt, the tokens and a hash",
        "context 0b9e1c1e-7c1b-4b55-9a37-2f1d2f3c1b1a",
        "context 0b9e1c1e-7c1b-4b55-9a37-2f1d2f3c1b1a --phase vote --agent agent-dev-002",
        "context --text 'Name two ways to test a clock' --role DEV",
        url=True,
    )
    context.add_argument(
        "task", metavar="TASK", nargs="?", default="", help="as a request or a derivation named it"
    )
    context.add_argument("--text", default="", help="a task that nobody was asked yet")
    context.add_argument("--role", default="", help="default: the task's own")
    context.add_argument("--agent", default="", metavar="ID", help="default: the role's first")
    context.add_argument(
        "--phase", default="", help="draft (default), critique, revise, vote, merge or judge"
    )
    context.add_argument("--story", default="", metavar="ID", help="default: the task's own")
    for kind in ("timeline", "decisions", "summaries"):
        about = f"of the story only its {kind}, or those of the kinds that are named"
        context.add_argument(f"--{kind}", action="store_true", help=about)
    context.add_argument(
        "--max-events", type=int, default=0, metavar="N", help="of the story's newest notes"
    )
    context.add_argument(
        "--scope",
        action="append",
        default=[],
        metavar="NAME",
        help="beside the task only this: rubric, requirements, context, story; repeatable",
    )
    return context


def sight_of(options: argparse.Namespace) -> dict[str, Any]:
    """The request for a context."""
    return {
        "task_id": options.task,
        "text": options.text,
        "role": options.role,
        "agent_id": options.agent,
        "phase": options.phase,
        "story_id": options.story,
        "options": {
            "include_timeline": options.timeline,
            "include_decisions": options.decisions,
            "include_summaries": options.summaries,
            "max_events": options.max_events,
            "scopes": options.scope,
        },
    }
