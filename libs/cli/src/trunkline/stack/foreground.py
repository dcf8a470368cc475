"""The stack in the foreground: supervised, its state shown, drained on Ctrl-C."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import Final

from nats.aio.msg import Msg
from rich.text import Text

from common import subjects
from common.bus.connection import Bus
from common.lifecycle import EXIT_CONFIG
from common.messages.heartbeat import Heartbeat
from trunkline.output import Output, complain
from trunkline.stack import state_file, words
from trunkline.stack.environment import StackEnvironment
from trunkline.stack.logs import ProcessLogs
from trunkline.stack.plan import Plan
from trunkline.stack.probes import HttpProbe
from trunkline.stack.status import CallCount, Status
from trunkline.stack.supervision import AnnounceDrain, AnnounceMisconfigured, Role
from trunkline.stack.supervisor import Announcement, Supervisor

_LOOK_EVERY_S: Final = 0.25


class Foreground:
    """One run of `trunkline up`."""

    def __init__(self, environment: StackEnvironment, plan: Plan, output: Output, logs: ProcessLogs) -> None:
        self._environment = environment
        self._plan = plan
        self._output = output
        self._logs = logs
        self._quiet = frozenset(plan.names(Role.INFRASTRUCTURE))
        self._supervisor = Supervisor(plan.specs, self._announce, self._take_line)
        self._calls = CallCount()
        self._is_draining = False
        self._is_up = False

    async def run(self) -> int:
        """Run to the end. Returns the exit code."""
        self._own_signals()
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = [
                    tasks.create_task(work) for work in (self._follow_heartbeats(), self._show(), self._welcome())
                ]
                await self._supervisor.run()
                for task in beside:
                    task.cancel()
        finally:
            state_file.remove()
            self._output.close()
        if self._supervisor.is_misconfigured:
            return EXIT_CONFIG
        self._output.say("everything has ended")
        return 0

    def _own_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._supervisor.stop)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def _hang_up(self) -> None:
        """The terminal is gone: nobody is left to say a second Ctrl-C."""
        self._supervisor.stop()
        self._supervisor.stop()

    def _announce(self, announcement: Announcement) -> None:
        self._is_draining = self._is_draining or isinstance(announcement, AnnounceDrain)
        if isinstance(announcement, AnnounceMisconfigured):
            self._output.close()
            complain(f"{announcement.name}: {self._logs.complaint(announcement.name)}")
        self._output.event(*words.for_machines(announcement))
        self._output.say(words.in_words(announcement))
        if self._is_up:
            state_file.write(self._state())  # processes come and go

    def _take_line(self, name: str, line: str) -> None:
        """Services speak here; the chatter of what they stand on goes to its log file."""
        if name in self._quiet:
            self._logs.write(name, line)
            return
        self._logs.note(name, line)
        if self._output.console.is_terminal and not self._output.is_json:
            self._output.line(Text(f"{name} | {line}", style="dim"))
        else:
            print(f"{name} | {line}", file=sys.stderr, flush=True)

    async def _follow_heartbeats(self) -> None:
        bus = Bus([self._plan.nats_url], "trunkline-up")
        try:
            await bus.connect()
            await bus.subscribe(subjects.ALL_HEARTBEATS, self._on_heartbeat)
            await asyncio.Event().wait()
        finally:
            with contextlib.suppress(OSError):
                await bus.close()

    def _on_heartbeat(self, message: Msg) -> None:
        self._calls.feed(Heartbeat.decode(message.data), time.monotonic())

    async def _show(self) -> None:
        last: Status | None = None
        while True:
            status = self._look()
            if status != last:
                last = status
                fields = status.as_json()
                self._output.event(str(fields.pop("event")), fields)
                self._output.status(status.as_text())
            await asyncio.sleep(_LOOK_EVERY_S)

    def _look(self) -> Status:
        return Status.look(
            self._plan.names(Role.EDGE),
            self._plan.names(Role.WORKER),
            self._plan.names(Role.FALLBACK),
            self._plan.names(Role.ORCHESTRATOR),
            [spec.name for spec in self._plan.specs],
            self._supervisor.ready,
            calls=self._calls.total(time.monotonic()),
            is_draining=self._is_draining,
        )

    async def _welcome(self) -> None:
        """Once everything is ready: leave the state file, and say where calls go."""
        await self._supervisor.wait_ready()
        self._is_up = True
        state_file.write(state := self._state())
        environment = self._environment
        self._output.event(
            "up",
            {
                "public_base_url": environment.public_base_url,
                "voice_url": environment.voice_url,
                "pids": state.pids,
            },
        )
        self._output.say(f"Calls are answered at {environment.voice_url}", "bold green")
        if environment.made_up:
            self._output.say("Place a simulated one from another terminal:  .venv/bin/trunkline call", "green")
        else:
            self._output.say("That is the voice webhook (POST) to set for the number at Twilio.", "green")
        self._output.say(self._invitation(state.pids), "dim")

    def _invitation(self, pids: Mapping[str, int]) -> str:
        """Who runs under which process id; with two of each service, what to try with that."""
        processes = ", ".join(f"{name} {pid}" for name, pid in pids.items())
        has_spares = all(len(self._plan.names(role)) > 1 for role in (Role.EDGE, Role.WORKER))
        if not has_spares:
            return f"Processes: {processes}"
        return f"Kill an edge, a worker or NATS during a call (kill -9) and keep talking: {processes}"

    def _state(self) -> state_file.StackState:
        environment = self._environment
        is_made_up = "TWILIO_AUTH_TOKEN" in environment.made_up
        return state_file.StackState(
            pid=os.getpid(),
            nats_url=self._plan.nats_url,
            edge_port=environment.edge_port,
            public_base_url=environment.public_base_url,
            voice_url=environment.voice_url,
            account_sid=environment.account_sid,
            auth_token=environment.auth_token if is_made_up else None,
            uses_simulated_model=environment.uses_simulated_model,
            records_url=self._plan.records_url,
            records_key=environment.made_up_records_key,
            processes={spec.name: spec.probe.port for spec in self._plan.specs if isinstance(spec.probe, HttpProbe)},
            pids=self._supervisor.pids(),
        )
