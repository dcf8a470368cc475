"""The responses of a session: which may start, what bends them, which are running."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from simulators.openai.faults.armed import ArmedFaults
from simulators.openai.faults.kinds import FailedResponse, NoResponse, RateLimit, SlowFirstAudio
from simulators.openai.realtime import asking, refusals
from simulators.openai.realtime.conversation import Conversation, Item
from simulators.openai.realtime.ids import Ids
from simulators.openai.realtime.refusals import Json
from simulators.openai.realtime.replies import Context, Replies
from simulators.openai.realtime.response import Failure, Response, Terms, Times
from simulators.openai.realtime.usage import Tokens, of_context
from simulators.openai.realtime.world import World
from simulators.people.watermark import Marker


class Speaking:
    """At most one response writes to the default conversation; others (`conversation: none`) run beside it."""

    def __init__(
        self,
        world: World,
        ids: Ids,
        conversation: Conversation,
        faults: ArmedFaults,
        marker: Marker | None = None,
    ) -> None:
        """`marker`, if given, watermarks what is spoken, cell after cell over all responses."""
        self.all: list[Response] = []
        self.withheld = 0
        """Responses that the fault `no_response` swallowed."""
        self.ended = 0
        self._world = world
        self._ids = ids
        self._conversation = conversation
        self._faults = faults
        self._marker = marker
        self._replies = Replies(world.script, world.voices)
        self._active: list[Response] = []
        self._newly_ended: list[Response] = []
        self._cached = Tokens()

    @property
    def has_spoken(self) -> bool:
        """Some audio was sent, so the voice is fixed."""
        return any(response.audio_ms for response in self.all)

    @property
    def in_default_conversation(self) -> Response | None:
        """The running response that writes to the default conversation."""
        return next((response for response in self._active if response.is_default), None)

    def next_deadline(self) -> float | None:
        """When to call `advance`."""
        deadlines = (response.next_deadline() for response in self._active)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def respond(self, session: Json, overrides: Json, now: float) -> list[Json]:
        """Start a response to what the conversation holds. Raises `Refusal` if another one is running."""
        out_of_band = overrides.get("conversation") == "none"
        running = self.in_default_conversation
        if running is not None and not out_of_band:
            raise refusals.active_response(running.response_id)
        items = asking.context_items(overrides, self._conversation, self._ids)
        terms = self._terms(session, overrides, items, out_of_band=out_of_band)
        if self._faults.bending(NoResponse, now, self.ended):
            self.withheld += 1
            return []
        response = Response(self._ids.new("resp"), terms, self._ids, Times(now))
        self.all.append(response)
        self._active.append(response)
        instructions = asking.effective(session, overrides)["instructions"]
        return self._begin(response, Context(items, instructions, session["model"]), now)

    def interrupt(self, now: float) -> list[Json]:
        """The caller speaks: end the running response of the default conversation."""
        running = self.in_default_conversation
        return self._move(running, partial(running.cancel, "turn_detected"), now) if running else []

    def cancel(self, response_id: str | None, now: float) -> list[Json]:
        """The client's `response.cancel`. Raises `Refusal` if there is nothing to cancel."""
        for response in self._active:
            if response.response_id == response_id or (response_id is None and response.is_default):
                return self._move(response, partial(response.cancel, "client_cancelled"), now)
        raise refusals.cancel_not_active()

    def advance(self, now: float) -> list[Json]:
        """What all running responses say by now."""
        return [event for response in list(self._active) for event in self._move(response, response.advance, now)]

    def take_newly_ended(self) -> list[Response]:
        """Responses that ended since this was last asked."""
        ended, self._newly_ended = self._newly_ended, []
        return ended

    def _move(self, response: Response, move: Callable[[float], list[Json]], now: float) -> list[Json]:
        events = move(now)
        if not response.is_active:
            self._active.remove(response)
            self._newly_ended.append(response)
            self.ended += 1
            self._cached = response.terms.context.cached()
        return events

    def _terms(self, session: Json, overrides: Json, items: list[Item], *, out_of_band: bool) -> Terms:
        asked = asking.effective(session, overrides)
        return Terms(
            instructions=asked["instructions"],
            output_modalities=asked["output_modalities"],
            max_output_tokens=asked["max_output_tokens"],
            audio_output=asking.audio_output(session, overrides, asked["output_modalities"]),
            metadata=overrides.get("metadata"),
            context=of_context(asked["instructions"], items),
            cached=self._cached,
            conversation=None if out_of_band else self._conversation,
        )

    def _begin(self, response: Response, context: Context, now: float) -> list[Json]:
        limited = self._faults.bending(RateLimit, now, self.ended)
        failure = self._failure(context.model, limited, now)
        if failure is not None:
            return [*response.begin_failing(failure, now), self._rate_limits(response, limited)]
        reply = self._replies.choose(context)
        slow = self._faults.bending(SlowFirstAudio, now, self.ended)
        if slow is not None:
            reply = replace(reply, first_audio_s=slow.ms / 1000)
        if reply.voice is not None and self._marker is not None and response.terms.is_spoken:
            response.first_cell = self._marker.next_cell
            reply = replace(reply, voice=replace(reply.voice, pcmu=self._marker.mark(reply.voice.pcmu)))
        return [*response.begin(reply, now), self._rate_limits(response, None)]

    def _failure(self, model: str, limited: RateLimit | None, now: float) -> Failure | None:
        if model in self._world.script.account.unavailable_models:
            message = f"The model `{model}` does not exist or you do not have access to it."
            return Failure("model_not_found", message, "invalid_request_error")
        if limited is not None:
            message = f"Rate limit reached for {model}. Please try again in {limited.reset_seconds:g}s."
            return Failure("rate_limit_exceeded", message, "rate_limit_exceeded")
        fault = self._faults.bending(FailedResponse, now, self.ended)
        return Failure(fault.code, fault.message) if fault else None

    def _rate_limits(self, response: Response, limited: RateLimit | None) -> Json:
        limit = self._world.script.account.tokens_per_minute
        reserved = response.terms.context.total
        remaining = 0 if limited else max(0, limit - reserved)
        reset_seconds = limited.reset_seconds if limited else round(reserved / limit * 60, 3)
        entry = {"name": "tokens", "limit": limit, "remaining": remaining, "reset_seconds": reset_seconds}
        return {"type": "rate_limits.updated", "rate_limits": [entry]}
