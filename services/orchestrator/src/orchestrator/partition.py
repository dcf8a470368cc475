"""One partition of calls, while this replica has its lease: its cursor, and the sessions of its calls."""

import asyncio
from collections.abc import Callable

from common import logs, metrics
from common.ending import end_tasks
from common.messages.facts import AnyFact
from orchestrator.core.followed_call import FOLLOWED
from orchestrator.core.progress import Progress
from orchestrator.session import CallSession

log = logs.get("partition")

NewSession = Callable[[str, Callable[[int], None]], CallSession]


class Partition:
    """Made when the lease is won, closed when it is lost."""

    def __init__(self, number: int, cursor: int, new_session: NewSession, note: Callable[[str, bool], None]) -> None:
        """`note` is told of calls: when they are begun to be followed, and (True) when they are not any more."""
        self.number = number
        self.progress = Progress(cursor)
        self._new_session = new_session
        self._note = note
        self._sessions: dict[str, CallSession] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def is_idle(self) -> bool:
        """True if nothing that was taken is still to be followed."""
        return all(session.is_idle for session in self._sessions.values())

    def follows(self, call_id: str) -> bool:
        """True while the call's graph is in memory."""
        return call_id in self._sessions

    def take(self, sequence: int, fact: AnyFact) -> None:
        """A fact of a call of this partition, from the stream, in its order."""
        if not isinstance(fact, FOLLOWED):
            self.progress.passed(sequence)
        elif self.progress.took(sequence):
            self._session(fact.call_id).feed(sequence, fact)

    def _session(self, call_id: str) -> CallSession:
        session = self._sessions.get(call_id)
        if session is None:
            session = self._sessions[call_id] = self._new_session(call_id, self.progress.done)
            self._tasks[call_id] = asyncio.create_task(self._carry(session))
            metrics.CALLS_FOLLOWED.inc()
            self._note(call_id, False)
        return session

    async def _carry(self, session: CallSession) -> None:
        """Supervise one call: whatever goes wrong in it stays in it.

        Only a call that is over, or that cannot be followed, is done with. One that is cancelled is another replica's
        now, and what waits in it must stay behind the cursor.
        """
        try:
            await session.run()
        except Exception:
            log.exception("a call is not followed any more", extra=logs.fields(call=session.call_id))
            session.abandon()
        else:
            self._note(session.call_id, True)
            session.abandon()
        finally:
            metrics.CALLS_FOLLOWED.dec()
            del self._sessions[session.call_id], self._tasks[session.call_id]

    async def close(self) -> None:
        """Another replica goes on with its calls, from the cursor."""
        await end_tasks(tuple(self._tasks.values()))
