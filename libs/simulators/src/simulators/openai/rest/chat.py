"""`POST /v1/chat/completions`: the script's rules answer what the messages hold."""

from dataclasses import dataclass

from aiohttp import web

from simulators.openai.faults.http_kinds import EndpointName
from simulators.openai.realtime.refusals import Json
from simulators.openai.realtime.replies import Replies
from simulators.openai.realtime.usage import of_context
from simulators.openai.realtime.world import World
from simulators.openai.rest.answer import Answer, json_answer
from simulators.openai.rest.chat_answer import complete, pieces_of
from simulators.openai.rest.chat_context import context_of
from simulators.openai.rest.chat_request import check_chat
from simulators.openai.rest.endpoint import read_json
from simulators.openai.rest.record import Asked


@dataclass(frozen=True, slots=True)
class ChatEndpoint:
    """Holds nothing of a conversation: each request brings all of it."""

    world: World
    name: EndpointName = "chat"

    async def read(self, request: web.Request) -> Json:
        """The JSON body."""
        return await read_json(request)

    async def answer(self, parameters: Json, asked: Asked) -> Answer:
        """Whole, or word by word."""
        asked.asked = {name: value for name, value in parameters.items() if name != "model"}
        check_chat(parameters)
        context = context_of(parameters)
        replies = Replies(self.world.script, self.world.voices)
        replies.recall(context)
        prompt_tokens = of_context(context.instructions, context.items).total
        completion = complete(parameters, replies.choose(context), prompt_tokens)
        asked.answered = {
            "text": completion.text,
            "tool_calls": [completion.call.wire()] if completion.call else [],
            "finish_reason": completion.finish_reason,
        }
        chat = self.world.script.chat
        if parameters.get("stream"):
            with_usage = bool((parameters.get("stream_options") or {}).get("include_usage"))
            return Answer("text/event-stream; charset=utf-8", pieces_of(completion, chat, with_usage=with_usage))
        after_ms = chat.first_token_ms + chat.word_ms * len(completion.words)
        return json_answer(completion.whole(), after_ms / 1000)
