"""The REST resource of a live call: what `twilio.rest.Client.calls(sid).update(...)` and `.fetch()` speak to."""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

import aiohttp
from aiohttp import web

from simulators.twilio.call import Call
from simulators.twilio.interpreter import Fetch, Inline
from simulators.twilio.twiml_fields import Target

MAX_INLINE_TWIML = 4000
_PATH = "/2010-04-01/Accounts/{account_sid}/Calls/{call_sid}.json"
_MESSAGES = {
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource was not found"),
    21220: (400, "Call is not in-progress. Cannot redirect."),
    20001: (400, "Nothing to update, or an invalid value"),
    21205: (400, "Url is not a valid URL"),
    32018: (400, "Twiml is longer than 4000 characters"),
}


def build_app(calls: Mapping[str, Call]) -> web.Application:
    """The API over these calls, by CallSid; running and ended ones."""
    api = _CallsApi(calls)
    app = web.Application()
    app.add_routes([web.get(_PATH, api.fetch), web.post(_PATH, api.update)])
    return app


class _CallsApi:
    """Handlers of `/Calls/{CallSid}.json`."""

    def __init__(self, calls: Mapping[str, Call]) -> None:
        self._calls = calls

    async def fetch(self, request: web.Request) -> web.Response:
        """GET: the call as it stands."""
        found = self._find(request)
        return found if isinstance(found, web.Response) else web.json_response(_resource(found))

    async def update(self, request: web.Request) -> web.Response:
        """POST: Twiml, Url (with Method) or Status=completed, applied to a call in progress."""
        found = self._find(request)
        if isinstance(found, web.Response):
            return found
        form = {name: str(value) for name, value in (await request.post()).items()}
        if found.status == "completed":
            return _refusal(21220)
        code = _apply(found, form)
        return web.json_response(_resource(found)) if code is None else _refusal(code)

    def _find(self, request: web.Request) -> Call | web.Response:
        call = self._calls.get(request.match_info["call_sid"])
        if call is None:
            return _refusal(20404)
        expected = aiohttp.encode_basic_auth(call.plan.account_sid, call.plan.auth_token)
        if not hmac.compare_digest(request.headers.get("Authorization", "").encode(), expected.encode()):
            return _refusal(20003)
        return call if request.match_info["account_sid"] == call.plan.account_sid else _refusal(20404)


def _apply(call: Call, form: Mapping[str, str]) -> int | None:
    """Carry an update out; return an error code if it cannot be."""
    if form.get("Status") == "completed":
        call.hang_up("rest")
    elif "Twiml" in form:
        if len(form["Twiml"]) > MAX_INLINE_TWIML:
            return 32018
        call.replace_document(Inline(form["Twiml"], call.voice_url))
    elif "Url" in form:
        if not form["Url"].startswith(("http://", "https://")):
            return 21205
        is_get = form.get("Method", "POST").upper() == "GET"
        call.replace_document(Fetch(Target(form["Url"], "GET" if is_get else "POST")))
    else:
        return 20001
    return None


def _resource(call: Call) -> dict[str, object]:
    plan = call.plan
    return {
        "sid": call.sid,
        "account_sid": plan.account_sid,
        "api_version": "2010-04-01",
        "direction": "inbound",
        "from": plan.caller,
        "to": plan.called,
        "status": call.status,
        "start_time": format_datetime(call.started_at),
        "date_created": format_datetime(call.started_at),
        "date_updated": format_datetime(datetime.now(UTC)),
        "uri": _PATH.format(account_sid=plan.account_sid, call_sid=call.sid),
        "subresource_uris": {},
    }


def _refusal(code: int) -> web.Response:
    status, message = _MESSAGES[code]
    body = {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return web.json_response(body, status=status)
