"""Have a plan deliberated over the bus: python examples/bus.py PLAN.json [NATS_URL]."""

import asyncio
import json
import sys
from pathlib import Path

import nats


async def main(event: str, url: str = "nats://127.0.0.1:4222") -> None:
    """Publish the plan, then tell how the council of each of its roles ended."""
    bus = await nats.connect(url)
    stream = bus.jetstream()
    await stream.publish("planning.plan.approved", event.encode())
    asked = json.loads(event)
    waited_for = set(asked["roles"])
    # From the first end on: an event that was published before is not deliberated once more.
    ends = await stream.subscribe("orchestration.deliberation.*", ordered_consumer=True)
    while waited_for:
        message = await ends.next_msg(timeout=600)
        end = json.loads(message.data)["payload"]
        if end["story_id"] == asked["story_id"] and end["role"] in waited_for:
            waited_for.remove(end["role"])
            print(end["role"], end.get("winner_id") or end["error"], flush=True)
    await bus.close()


asyncio.run(main(Path(sys.argv[1]).read_text(), *sys.argv[2:]))
