"""vLLM in this process: the one file that touches it; knows nothing of turns, pools or Ray."""

from __future__ import annotations

import asyncio
import math
import multiprocessing
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from actors.chat import Chat
from actors.engine_args import bind_to_all_cores, check_memory, check_model, engine_args
from actors.speech import Generation, Request
from actors.starting import taking_turns
from actors.thinking import opens_thinking, split_thinking
from engine.config import PoolConfig
from engine.errors import EngineLost, SetupError, SpeechFailed
from engine.types import Message, Stopped, Usage

SHUTDOWN_S = 10.0
LAST_WORD_S = 0.2
"""A request that is aborted ends at once; one that the engine has not got yet never does."""


class EngineHost:
    """One AsyncLLM: three processes on the CPU, of which this is the first."""

    @classmethod
    def start(cls, config: PoolConfig, replica: int) -> EngineHost:
        """Start the engine; takes from seconds to minutes and blocks. SetupError."""
        check_model(config.model)
        check_memory(config)
        bind_to_all_cores()
        try:
            from vllm import AsyncEngineArgs
            from vllm.v1.engine.async_llm import AsyncLLM
        except ImportError as missing:
            raise SetupError(
                f"vLLM cannot be imported ({one_line(missing)})",
                "Install the extra `cpu` or `gpu` of this package",
            ) from None
        try:
            args = AsyncEngineArgs(**engine_args(config, replica))
            with taking_turns(config):
                return cls(AsyncLLM.from_engine_args(args), config)
        except (OSError, ValueError, RuntimeError) as failure:
            raise _start_failure(config, failure) from None

    def __init__(self, llm: Any, config: PoolConfig) -> None:
        cache = llm.vllm_config.cache_config
        self._llm = llm
        self._tokenizer = llm.get_tokenizer()
        self._parser = _reasoning_parser(config.reasoning_parser, self._tokenizer)
        self.window = config.window
        self._chat = Chat(self._tokenizer, thinking=config.thinking)
        self.block_size: int = cache.block_size
        self.kv_tokens: int = cache.num_gpu_blocks * cache.block_size
        self.label_id = lru_cache(maxsize=1024)(self._chat.label_id)

    def render(self, messages: Sequence[Message], thinks: bool = True) -> list[int]:
        """Token ids of the chat, up to where the model goes on."""
        return self._chat.render(messages, thinks=thinks)

    async def generate(self, request: Request) -> Generation:
        """Run it; cancelled, it is stopped in the engine and ends as Stopped. EngineLost."""
        from vllm.exceptions import VLLMError
        from vllm.inputs.engine import tokens_input
        from vllm.v1.engine.exceptions import EngineDeadError

        outputs = self._llm.generate(
            tokens_input(list(request.prompt)),
            _sampling_params(request),
            request.id,
            priority=-1 if request.urgent else 0,
        )
        last = asyncio.ensure_future(_last(outputs))
        try:
            final = await asyncio.shield(last)
        except asyncio.CancelledError:
            raise Stopped(Usage(aborted=await self._abort(request.id, last))) from None
        except EngineDeadError:
            raise EngineLost("the engine's processes have died") from None
        except (VLLMError, ValueError) as refused:
            raise SpeechFailed(f"the engine refused the turn: {one_line(refused)}") from None
        return self._generation(request, final)

    async def _abort(self, id: str, last: asyncio.Task[Any]) -> int:
        """Stop a request; the tokens that it had by then, as the engine's last word tells."""
        try:
            await self._llm.abort(id)
            await asyncio.wait({last}, timeout=LAST_WORD_S)
        finally:
            last.cancel()
        told = last.done() and not last.cancelled() and last.exception() is None
        return len(last.result().outputs[0].token_ids) if told else 0

    def _generation(self, request: Request, final: Any) -> Generation:
        output = final.outputs[0]
        text, reasoning = ("", "") if request.labels else self._split(request, output.text)
        return Generation(
            text=text,
            reasoning=reasoning,
            truncated=output.finish_reason == "length" and not request.labels,
            tokens=len(output.token_ids),
            cached=final.num_cached_tokens or 0,
            odds=_odds(output.logprobs[0]) if request.labels else {},
        )

    def _split(self, request: Request, text: str) -> tuple[str, str]:
        if self._parser is not None:
            reasoning, content = self._parser(text)
            return content or "", reasoning or ""
        tail = self._tokenizer.decode(list(request.prompt[-8:]))
        return split_thinking(text, opened=opens_thinking(tail))

    def tokenizer_json(self) -> str:
        """The fast tokenizer's own file, as the `tokenizers` library reads it."""
        text: str = self._tokenizer.backend_tokenizer.to_str()
        return text

    def kill(self) -> None:
        """End the engine's processes at once; its worker ends with them."""
        for child in multiprocessing.active_children():
            child.kill()

    async def shutdown(self) -> None:
        """End the engine in good order; takes seconds."""
        handler = self._llm.output_handler
        if handler is not None:
            # Left running, it takes the orderly end for a death and logs a stack trace.
            handler.cancel()
            await asyncio.wait({handler})
        await asyncio.to_thread(self._llm.shutdown, timeout=SHUTDOWN_S)


async def _last(outputs: AsyncIterator[Any]) -> Any:
    """What an engine said of a request last."""
    *_, final = [output async for output in outputs]
    return final


def _sampling_params(request: Request) -> Any:
    """Fresh for every request: vLLM writes into it."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    schema = request.schema
    return SamplingParams(
        max_tokens=request.max_tokens,
        temperature=request.sampling.temperature,
        top_p=request.sampling.top_p,
        repetition_penalty=request.sampling.repetition_penalty,
        logprob_token_ids=list(request.labels) or None,
        structured_outputs=None if schema is None else StructuredOutputsParams(json=schema),
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _odds(logprobs: Mapping[int, Any]) -> dict[int, float]:
    return {token: math.exp(entry.logprob) for token, entry in logprobs.items()}


def _reasoning_parser(name: str, tokenizer: Any) -> Any:
    """A function from a model's text to (reasoning, content), None where none is configured."""
    if not name:
        return None
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.reasoning import ReasoningParserManager

    parser = ReasoningParserManager.get_reasoning_parser(name)
    request = ChatCompletionRequest.model_validate({"messages": [], "model": ""})
    # A parser keeps state: a new one for each text.
    return lambda text: parser(tokenizer).extract_reasoning(text, request)


def _start_failure(config: PoolConfig, failure: Exception) -> SetupError:
    text = one_line(failure)
    if "not a valid model identifier" in text or "not a local folder" in text:
        return SetupError(
            f"model {config.model} is neither a folder nor known to the Hugging Face hub",
            "Name a folder with a Hugging Face model, or a Hugging Face id, in the pool's `model`",
        )
    return SetupError(
        f"the engine for {config.model} did not start: {text}",
        "Look at the actor's log for the cause; check the pool's `window`, memory and model",
    )


def one_line(error: BaseException) -> str:
    """An error's text with its line breaks folded, at most 300 characters."""
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__
