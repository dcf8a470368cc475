"""From a session that is ready to the talker of its call: the edge says when."""

import asyncio
from typing import Final

from common import logs, metrics
from common.ending import end_tasks
from common.errors import RemoteProtocolError, TrunklineError
from common.messages.commands import CutOver
from talker.edge_link import EdgeLink, Session

log = logs.get("candidacy")

_ASK_AGAIN_S: Final = 2.0
_WAIT_AT_MOST_S: Final = 90.0
"""An edge waits 60 s for a quiet moment, then cuts all the same."""


class Candidacy:
    """The cut comes as the answer to `Ready`, or later as `TakeOver`; whichever is first counts."""

    def __init__(self) -> None:
        self._cut: CutOver | None = None
        self._is_over = asyncio.Event()

    def take_over(self, cut: CutOver) -> None:
        """The quiet moment has come. Said twice does no harm."""
        if self._cut is None and not self._is_over.is_set():
            self._cut = cut
            self._is_over.set()

    def give_up(self) -> None:
        """Nothing will come of it."""
        self._is_over.set()

    async def cut(self, link: EdgeLink, session: Session) -> CutOver | None:
        """Say that we are ready, and again while we may wait. None: the edge has no need of us, or is gone.

        Raises `RemoteProtocolError` when the edge made us the talker and did not say of what.
        """
        asking = asyncio.create_task(self._keep_asking(link, session))
        told = asyncio.create_task(self._is_over.wait())
        try:
            await asyncio.wait({asking, told}, timeout=_WAIT_AT_MOST_S, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                asking.result()
        finally:
            await end_tasks((asking, told))
        return self._cut

    async def _keep_asking(self, link: EdgeLink, session: Session) -> None:
        while not self._is_over.is_set():
            await self._ask(link, session)

    async def _ask(self, link: EdgeLink, session: Session) -> None:
        try:
            answer = await link.ready(session)
        except RemoteProtocolError:
            metrics.BUS_REJECTS.labels("malformed").inc()
            raise
        except TrunklineError as error:
            log.warning("the edge could not be told", extra=logs.fields(error=error.code, why=str(error)))
            self.give_up()
            return
        if answer.is_granted:
            self.take_over(answer)
        elif not answer.may_wait:
            self.give_up()
        else:
            await self._wait_a_while()

    async def _wait_a_while(self) -> None:
        try:
            async with asyncio.timeout(_ASK_AGAIN_S):
                await self._is_over.wait()
        except TimeoutError:
            return
