"""`python -m simulators.openai`: run the simulator until SIGTERM."""

import argparse
import asyncio
import json
import logging
import signal
import sys
from pathlib import Path

import uvloop
from aiohttp import web

from simulators.openai.app import make_app
from simulators.openai.realtime.world import World
from simulators.openai.script import Script, ScriptError, load
from simulators.openai.voices import Voices
from simulators.people.recognition import Recogniser
from simulators.people.recordings import load_all


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulators.openai", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port; it is printed")
    parser.add_argument("--script", type=Path, help="YAML; without it every reply is the fallback")
    parser.add_argument(
        "--watermark", action="store_true", help="mark speech with the session's number, 10 ms by 10 ms"
    )
    parser.add_argument("--verbose", action="store_true", help="log sessions on stderr (never what is said)")
    return parser.parse_args()


def _world(path: Path | None, *, is_marking: bool) -> World:
    recordings = load_all()
    voices = Voices(recordings)
    script = load(path, voices.names) if path is not None else Script()
    return World(script, voices, Recogniser(recordings), is_marking)


async def _serve(world: World, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # Black-holed requests never end by themselves: they are cut at the end.
    runner = web.AppRunner(make_app(world), access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    print(json.dumps({"event": "listening", "port": runner.addresses[0][1]}), flush=True)
    await stop.wait()
    await runner.cleanup()


def main() -> int:
    """Exit code 2 if the script or the port cannot be used."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.WARNING, stream=sys.stderr)
    try:
        world = _world(arguments.script, is_marking=arguments.watermark)
        uvloop.run(_serve(world, arguments.host, arguments.port))
    except (ScriptError, OSError) as error:
        print(f"simulators.openai: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
