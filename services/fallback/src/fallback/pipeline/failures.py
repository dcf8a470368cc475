"""What went wrong at an endpoint, in our words: translates what the SDK and its HTTP client raise."""

import contextlib
from collections.abc import Iterator

import httpx2
import openai

from common.errors import (
    DeadlineExceeded,
    RemoteProtocolError,
    TrunklineError,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from fallback.core.stage_health import Trouble
from fallback.pipeline.clients import CONNECT_WITHIN_S

_NO_CREDIT = "insufficient_quota"


class Throttled(UpstreamThrottled):
    """The endpoint limits our rate. `wait_s`: how long it wants to be left alone, if it said."""

    def __init__(self, wait_s: float | None) -> None:
        super().__init__("the endpoint limits our rate")
        self.wait_s = wait_s


@contextlib.contextmanager
def translated(stage: str) -> Iterator[None]:
    """Everything that can go wrong at an endpoint, as a `TrunklineError`. Never with what the endpoint wrote."""
    try:
        yield
    except openai.APITimeoutError as error:
        raise DeadlineExceeded(f"the connection to the {stage} endpoint", CONNECT_WITHIN_S) from error
    except openai.RateLimitError as error:
        if error.code == _NO_CREDIT:
            raise UpstreamRejected(f"the {stage} endpoint has no credit for us") from error
        raise Throttled(_wait_s(error)) from error
    except openai.APIStatusError as error:
        if error.status_code >= 500 or error.status_code in (408, 409):
            raise UpstreamUnavailable(f"the {stage} endpoint answered {error.status_code}") from error
        raise UpstreamRejected(f"the {stage} endpoint refuses us with {error.status_code}") from error
    except (openai.APIConnectionError, httpx2.HTTPError, httpx2.StreamError, OSError) as error:
        raise UpstreamUnavailable(f"the {stage} endpoint broke off: {type(error).__name__}") from error
    except openai.APIResponseValidationError as error:
        raise RemoteProtocolError(f"the {stage} endpoint answered nonsense: {type(error).__name__}") from error
    except openai.APIError as error:
        raise UpstreamUnavailable(f"the {stage} endpoint says in its stream that it failed") from error
    except (openai.OpenAIError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        # What is no answer of the API fails anywhere in the SDK: in JSON, in models, in our own reading of it.
        raise RemoteProtocolError(f"the {stage} endpoint answered nonsense: {type(error).__name__}") from error


def _wait_s(error: openai.RateLimitError) -> float | None:
    try:
        return max(0.0, float(error.response.headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def trouble_of(error: TrunklineError) -> Trouble:
    """What it means for the next attempt."""
    match error:
        case UpstreamThrottled():
            return Trouble.THROTTLED
        case UpstreamRejected():
            return Trouble.REJECTED
        case DeadlineExceeded():
            return Trouble.SLOW
        case _:
            return Trouble.FAILED
