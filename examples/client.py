"""Ask with the Python client: python examples/client.py [URL]."""

import sys

from conclave import Client, DeliberationRequest

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
with Client(url) as client:
    asked = DeliberationRequest(role="DEV", text="Name two ways to test a clock", policy="vote")
    for record in client.stream(asked):
        print(f"{record.seq:3}  {record.event.kind}")
    found = client.read(record.deliberation)
    print(found.status, found.winner_id, f"{found.usage.generated} tokens")
