"""The deliberation engine: pure Python and pydantic; knows nothing of Ray, vLLM, NATS or gRPC."""
