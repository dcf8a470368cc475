"""The errors of the HTTP endpoints, in OpenAI's form."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from simulators.openai.faults.http_kinds import HttpStatus
from simulators.openai.realtime.refusals import Json, Refusal

MAX_CONTENT_BYTES: Final = 25 * 1024 * 1024
_OF_STATUS: Final[Mapping[int, tuple[str, str | None, str]]] = {
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests."),
}
"""Type, code and message that the API gives with a status."""
_REFUSED: Final = ("invalid_request_error", None, "Your request was refused.")
_FAILED: Final = ("server_error", None, "The server had an error while processing your request. Sorry about that!")
_SERVER_ERRORS: Final = 500


class ApiError(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        headers: Mapping[str, str] | None = None,
        html: str | None = None,
    ) -> None:
        """`html`: answer this page, as a proxy does, and not the API's JSON."""
        super().__init__(message)
        self.status, self.message, self.code, self.param, self.kind = status, message, code, param, kind
        self.headers = dict(headers or {})
        self.html = html

    def body(self) -> Json:
        """The JSON it is answered with."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}

    def response(self, request_id: str) -> web.Response:
        """The answer."""
        headers = {**self.headers, "x-request-id": request_id}
        if self.html is not None:
            return web.Response(text=self.html, status=self.status, headers=headers, content_type="text/html")
        return web.json_response(self.body(), status=self.status, headers=headers)


def of_refusal(refusal: Refusal) -> ApiError:
    """The 400 for a request whose shape is wrong."""
    return ApiError(400, refusal.message, code=refusal.code, param=refusal.param, kind=refusal.kind)


def of_fault(fault: HttpStatus) -> ApiError:
    """The error a fault asks for."""
    kind, code, message = _OF_STATUS.get(fault.status, _REFUSED if fault.status < _SERVER_ERRORS else _FAILED)
    headers = {"retry-after": f"{fault.retry_after_s:g}"} if fault.retry_after_s is not None else {}
    html = f"<html><body><h1>{fault.status}</h1></body></html>\n" if fault.is_html else None
    code, message = fault.code or code, fault.message or message
    return ApiError(fault.status, message, code=code, kind=kind, headers=headers, html=html)


def no_key() -> ApiError:
    """No `Authorization: Bearer …`."""
    return ApiError(401, "You didn't provide an API key in an Authorization header using Bearer auth.")


def bad_key(key: str) -> ApiError:
    """A key the account does not know; the message shows its end only."""
    return ApiError(401, f"Incorrect API key provided: ***{key[-4:]}.", code="invalid_api_key")


def no_model(model: str) -> ApiError:
    """A model that does not exist, or not for this account."""
    message = f"The model `{model}` does not exist or you do not have access to it."
    return ApiError(404, message, code="model_not_found")


def wrong_endpoint(model: str, endpoint: str) -> ApiError:
    """A model that serves other endpoints."""
    return ApiError(404, f"The model `{model}` is not supported in the {endpoint} endpoint.", param="model")


def missing_model() -> ApiError:
    """A request without a model."""
    return ApiError(400, "You must provide a model parameter.")


def no_json() -> ApiError:
    """A body that is no JSON object."""
    return ApiError(400, "We could not parse the JSON body of your request. The API expects a JSON payload.")


def too_large() -> ApiError:
    """A body beyond the limit."""
    return ApiError(413, f"Maximum content size limit ({MAX_CONTENT_BYTES}) exceeded", code="request_too_large")


def wrong_content_type(given: str, wanted: str) -> ApiError:
    """A body of another type."""
    message = f"Unsupported content type: '{given}'. This API method only accepts '{wanted}' requests."
    return ApiError(400, message, code="unsupported_content_type")


def unsupported_parameter(param: str, message: str) -> ApiError:
    """A parameter that the model does not take."""
    return ApiError(400, message, code="unsupported_parameter", param=param)


def not_simulated(param: str, what: str) -> ApiError:
    """Something the API can and this simulator cannot: never passed over in silence."""
    return ApiError(400, f"This simulator does not support {what}.", code="not_simulated", param=param)


def out_of_range(param: str, value: float, least: float, most: float | None) -> ApiError:
    """A number beyond its limits."""
    kind = "integer" if isinstance(value, int) and isinstance(least, int) else "decimal"
    if value < least:
        text, code, bound = "below minimum value", "below_min_value", f">= {least}"
    else:
        text, code, bound = "above maximum value", "above_max_value", f"<= {most}"
    message = f"Invalid '{param}': {kind} {text}. Expected a value {bound}, but got {value} instead."
    return ApiError(400, message, code=f"{kind}_{code}", param=param)


def empty_array(param: str) -> ApiError:
    """An array that must hold something."""
    message = (
        f"Invalid '{param}': empty array. Expected an array with minimum length 1, but got an empty array instead."
    )
    return ApiError(400, message, code="empty_array", param=param)


def invalid(param: str, message: str, code: str | None = "invalid_value") -> ApiError:
    """Any other wrong value."""
    return ApiError(400, message, code=code, param=param)
