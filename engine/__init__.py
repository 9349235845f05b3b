"""The pure part: deliberation as data and functions; knows nothing of Ray, vLLM, NATS or HTTP."""
