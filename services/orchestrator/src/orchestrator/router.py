"""The router asked over the network: any OpenAI-compatible chat model, which may be slow, wrong or away."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import openai
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion

from common import logs, metrics
from common.messages.facts import AnyFact, UsageReported
from common.profile import AgentProfile
from orchestrator.core import routing
from orchestrator.core.followed_call import FollowedCall
from orchestrator.settings import OrchestratorSettings

log = logs.get("router")

_CONNECT_WITHIN_S: Final = 2.0
_LIMIT_S: Final = 35.0
_ANSWER_TOKENS: Final = 2_000
"""Reasoning counts: the answer itself takes twenty."""


class Router:
    """One client for all calls. No answer, or a strange one, is None: then everything stays as it is."""

    def __init__(self, settings: OrchestratorSettings, write: Callable[[AnyFact], None]) -> None:
        """`write`: takes the facts of what was used."""
        self._write = write
        self._model = settings.orchestrator_chat_model
        timeout = openai.Timeout(_LIMIT_S, connect=_CONNECT_WITHIN_S)
        key = settings.openai_api_key
        self._client = None
        if key is not None:
            self._client = AsyncOpenAI(
                base_url=settings.openai_base_url, api_key=key.get_secret_value(), max_retries=0, timeout=timeout
            )

    async def choose(self, call: FollowedCall, profile: AgentProfile) -> str | None:
        """Who should have the caller, in the model's opinion."""
        if self._client is None:
            metrics.ROUTINGS.labels("no_model").inc()
            return None
        began = time.monotonic()
        try:
            async with asyncio.timeout(profile.routing.timeout_s):
                completion = await self._ask(self._client, call, profile)
            name, result = self._chosen(completion, call), "malformed"
        except TimeoutError:
            name, result = None, "deadline"
        except openai.RateLimitError:
            name, result = None, "throttled"
        except openai.OpenAIError:
            name, result = None, "unavailable"
        except ValueError:  # an answer that is not even JSON
            name, result = None, "malformed"
        metrics.ROUTINGS.labels("ok" if name is not None else result).inc()
        if name is None:
            log.warning("the router did not answer", extra=logs.fields(call=call["call_id"], result=result))
        else:
            metrics.ROUTING_SECONDS.observe(time.monotonic() - began)
        return name

    async def _ask(self, client: AsyncOpenAI, call: FollowedCall, profile: AgentProfile) -> ChatCompletion:
        specialist = profile.agents.get(call["agent"])
        own = specialist.model if specialist is not None else None
        messages: Any = routing.question(call, profile)
        tools: Any = [routing.function(call, profile)]
        completion: ChatCompletion = await client.chat.completions.create(
            model=own or profile.routing.model or self._model,
            messages=messages,
            tools=tools,
            tool_choice={"type": "function", "function": {"name": routing.CHOOSE}},
            max_completion_tokens=_ANSWER_TOKENS,
        )
        return completion

    def _chosen(self, completion: ChatCompletion, call: FollowedCall) -> str | None:
        try:
            self._count(completion, call)
            tools = completion.choices[0].message.tool_calls or []
            wanted = [tool.function for tool in tools if tool.type == "function"]
            return routing.answer(wanted[0].arguments)
        except (AttributeError, IndexError, TypeError, ValueError):  # the SDK does not check what it was sent
            return None

    def _count(self, completion: ChatCompletion, call: FollowedCall) -> None:
        usage = completion.usage
        if usage is None:
            return
        details = usage.prompt_tokens_details
        self._write(
            UsageReported(
                call_id=call["call_id"],
                fact_id=f"{call['due'][-1]['fact_id']}-routing",
                response_id=str(completion.id)[:256],
                model=str(completion.model)[:128],
                input_text_tokens=max(0, usage.prompt_tokens),
                cached_text_tokens=max(0, (details.cached_tokens or 0) if details is not None else 0),
                output_text_tokens=max(0, usage.completion_tokens),
            )
        )

    async def close(self) -> None:
        """End every connection."""
        if self._client is not None:
            await self._client.close()
