"""An agent outside the engine: python examples/outside_agent.py ID [NATS_URL]. Make `think` yours.

It must be named in a council's `outside`. Run it twice, and the two share the work.
"""

import asyncio
import json
import sys
from typing import Any

import nats
import nats.errors


def think(asked: dict[str, Any]) -> Any:
    """The answer to `asked["task_description"]`, in the form that is asked for."""
    form = asked["form"]
    if form["kind"] == "choice":  # which of two proposals is better, for each pair in both orders
        return [form["labels"][0] for _ in form["questions"]]
    if "verdict" in form.get("json_schema", {}).get("properties", {}):  # a review
        return {"findings": [], "verdict": "accept"}
    if form["kind"] == "json":
        raise NotImplementedError(f"{form['json_schema']} is not understood")
    return "Ship it behind a flag, watch its errors for a day, then make it the default."


async def main(id: str, url: str = "nats://127.0.0.1:4222") -> None:
    """Answer each request once, also those that came while nobody listened."""
    client = await nats.connect(url, name=id, max_reconnect_attempts=-1)
    stream = client.jetstream()
    requests = await stream.pull_subscribe(f"agent.request.agent.{id}", durable=f"agent-{id}")
    print(f"{id} listens at {url}", flush=True)
    while True:
        try:
            (message,) = await requests.fetch(1, timeout=5)
        except nats.errors.TimeoutError:
            continue
        asked = json.loads(message.data)["payload"]
        said = {"task_id": asked["task_id"], "agent_id": id, "role": asked["role"]}
        try:
            end, about = "completed", {"output": think(asked)}
        except NotImplementedError as error:
            end, about = "failed", {"error": str(error), "error_type": "NotImplementedError"}
        await stream.publish(f"agent.response.{end}", json.dumps(said | about).encode())
        await message.ack()
        print(f"{asked['phase']}, round {asked['round']}: {end}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
