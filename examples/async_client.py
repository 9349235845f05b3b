"""Ask two councils at once with asyncio: python examples/async_client.py [URL]."""

import asyncio
import sys

from conclave import AsyncClient, DeliberationRequest


async def main(url: str) -> None:
    """Both decisions, in the order in which they were asked for."""
    text = "Name two ways to test a clock"
    async with AsyncClient(url) as client:
        asked = [DeliberationRequest(role=r, text=text, policy="vote") for r in ("DEV", "QA")]
        for found in await asyncio.gather(*map(client.deliberate, asked)):
            print(found.role, found.status, found.winner_id)


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"))
