"""`python -m simulators.twilio`: place calls to an edge from the command line."""

import argparse
import asyncio
import json
import os
import ssl
import sys
from pathlib import Path

import uvloop

from simulators.twilio.cloud import TwilioCloud
from simulators.twilio.events import Event
from simulators.twilio.plan import CallPlan
from simulators.twilio.recording import write_stereo
from simulators.twilio.result import CallResult
from simulators.twilio.script import ScriptError, load_script
from simulators.twilio.signature import SharedKey


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators.twilio", description=__doc__)
    add = parser.add_argument
    add("--voice-url", required=True, help="the number's webhook, as it is reached from here")
    add("--public-base-url", help="the address that is signed, if it differs (as behind a tunnel)")
    add("--account-sid", required=True)
    add("--auth-token", default=os.environ.get("TWILIO_AUTH_TOKEN"), help="or TWILIO_AUTH_TOKEN, which ps cannot show")
    add("--shared-key", metavar="SID:SECRET", help="sign with HMAC-SHA256 and this key")
    add("--script", required=True, help="what the caller does: a YAML file, or the name of a packaged script")
    add("--from", dest="caller", default="+15550100001")
    add("--to", dest="called", default="+15550100100")
    add("--calls", type=int, default=1)
    add("--stagger-ms", type=int, default=0, help="time between the beginnings of two calls")
    add("--fallback-url", help="fetched when a document fails")
    add("--status-callback-url", help="told when a call has completed")
    add("--allow-insecure", action="store_true", default=None, help="accept ws:// to any host, not only this one")
    add("--ca-file", type=Path, help="trust this certificate authority")
    add("--drop-delay-ms", type=int, default=500, help="until a broken socket is noticed")
    add("--rest-port", type=int, help="serve the REST API of the calls here")
    add("--record", type=Path, help="stereo WAV: caller left, agent as heard right (-1, -2 … for several calls)")
    add("--result", type=Path, help="write the result as JSON")
    add("--result-audio", action="store_true", help="with the audio of both sides in base64")
    add("--events", action="store_true", help="print JSON lines as things happen; the last one is the result")
    return parser


def _plan(options: argparse.Namespace) -> CallPlan:
    sid, _, secret = (options.shared_key or "").partition(":")
    return CallPlan(
        voice_url=options.voice_url,
        account_sid=options.account_sid,
        auth_token=options.auth_token,
        script=load_script(options.script),
        caller=options.caller,
        called=options.called,
        public_base_url=options.public_base_url,
        shared_key=SharedKey(sid, secret) if secret else None,
        fallback_url=options.fallback_url,
        status_callback_url=options.status_callback_url,
        allow_insecure=options.allow_insecure,
        drop_delay_s=options.drop_delay_ms / 1000,
        tls=ssl.create_default_context(cafile=options.ca_file) if options.ca_file else None,
        keep_audio=bool(options.record or options.result_audio),
    )


def _print_event(event: Event) -> None:
    print(json.dumps(event.as_json(), ensure_ascii=False), flush=True)


async def _run(options: argparse.Namespace, plan: CallPlan) -> bool:
    async with TwilioCloud(options.rest_port) as cloud:

        async def place(number: int) -> CallResult:
            await asyncio.sleep(number * options.stagger_ms / 1000)
            return await cloud.place_call(plan, _print_event if options.events else None)

        results = await asyncio.gather(*map(place, range(options.calls)))
        clock = cloud.lateness
    if options.record:
        _record(options.record, results)
    summary = {
        "event": "result",
        "ok": all(result.is_ok for result in results),
        "calls": [result.as_json(with_audio=options.result_audio) for result in results],
        "clock": {
            "frames": clock.frames,
            "late_frames": clock.late_frames,
            "max_lateness_ms": round(clock.max_s * 1000, 2),
        },
    }
    if options.result:
        options.result.write_text(json.dumps(summary, ensure_ascii=False, indent=1), encoding="utf-8")
    if options.events:
        print(json.dumps(summary, ensure_ascii=False), flush=True)
    _complain(results)
    return all(result.is_ok for result in results)


def _record(path: Path, results: list[CallResult]) -> None:
    for number, result in enumerate(results, 1):
        target = path if len(results) == 1 else path.with_stem(f"{path.stem}-{number}")
        write_stereo(target, result.caller_pcmu, result.heard_pcmu)


def _complain(results: list[CallResult]) -> None:
    """One line: the first failure, and how many there were."""
    failed = [result for result in results if not result.is_ok]
    if failed:
        first = failed[0]
        notices = "; ".join(f"{notice.code} {notice.meaning}: {notice.detail}" for notice in first.notices[:3])
        print(
            f"{len(failed)} of {len(results)} calls failed; {first.call_sid}: {first.failure}"
            f"{f' ({notices})' if notices else ''}",
            file=sys.stderr,
        )


def main(arguments: list[str] | None = None) -> int:
    """0 if every call took place as scripted, 1 if not, 2 for options or a script that cannot be used."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.auth_token:
        parser.error("give --auth-token or set TWILIO_AUTH_TOKEN")
    try:
        plan = _plan(options)
    except (ScriptError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if uvloop.run(_run(options, plan)) else 1


if __name__ == "__main__":
    sys.exit(main())
