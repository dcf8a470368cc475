"""Much audio at once is heard a little at a time, in its order, and nothing said after it overtakes it."""

import asyncio

from fallback.inbox import SLICE_BYTES, Inbox

FRAME = bytes(160)


class Attendant:
    """What came out of the inbox, in order: how many bytes were heard, or what was told."""

    def __init__(self) -> None:
        self.came: list[int | str] = []
        self.inbox = Inbox[str](lambda pcmu: self.came.append(len(pcmu)), self.came.append)

    @property
    def heard(self) -> int:
        return sum(each for each in self.came if isinstance(each, int))


async def test_live_audio_and_commands_are_passed_on_at_once() -> None:
    attendant = Attendant()
    attendant.inbox.audio(FRAME)
    attendant.inbox.tell("configure")
    attendant.inbox.audio(FRAME)
    assert attendant.came == [160, "configure", 160]


async def test_a_replay_is_heard_slice_by_slice_and_others_have_their_turn_between() -> None:
    attendant, turns = Attendant(), 0
    attendant.inbox.audio(bytes(10 * SLICE_BYTES))
    assert attendant.heard == 0
    while attendant.heard < 10 * SLICE_BYTES:
        before = attendant.heard
        await asyncio.sleep(0)
        turns += 1
        assert attendant.heard - before <= SLICE_BYTES
    assert turns >= 10


async def test_a_replay_that_comes_frame_by_frame_is_one_too() -> None:
    attendant = Attendant()
    for _ in range(500):
        attendant.inbox.audio(FRAME)
    assert attendant.heard <= SLICE_BYTES
    while attendant.heard < 500 * 160:
        await asyncio.sleep(0)
    assert attendant.heard == 500 * 160


async def test_what_is_said_after_the_audio_waits_for_it() -> None:
    attendant = Attendant()
    attendant.inbox.audio(bytes(3 * SLICE_BYTES))
    attendant.inbox.tell("answer by yourself")
    attendant.inbox.audio(FRAME)
    attendant.inbox.tell("are you alive?")
    while attendant.heard < 3 * SLICE_BYTES + 160:
        await asyncio.sleep(0)
    told = attendant.came.index("answer by yourself")
    assert sum(each for each in attendant.came[:told] if isinstance(each, int)) == 3 * SLICE_BYTES
    assert attendant.came[-2:] == [160, "are you alive?"]
    attendant.inbox.tell("at once again")
    assert attendant.came[-1] == "at once again"


async def test_a_closed_inbox_passes_nothing_on() -> None:
    attendant = Attendant()
    attendant.inbox.audio(bytes(3 * SLICE_BYTES))
    await asyncio.sleep(0)
    attendant.inbox.close()
    heard = attendant.heard
    for _ in range(5):
        await asyncio.sleep(0)
    assert attendant.heard == heard < 3 * SLICE_BYTES
