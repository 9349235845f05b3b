"""Ask a council as if it were a model: python examples/openai_chat.py [URL]."""

import sys

import openai

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
answer = client.chat.completions.create(
    model="dev:vote", messages=[{"role": "user", "content": "Name two ways to test a clock"}]
)
print(answer.choices[0].message.content)
packet = answer.model_extra["conclave"]
print("winner:", packet["winner_id"], "policy:", packet["policy"], "margin:", packet["margin"])
