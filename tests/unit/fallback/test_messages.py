"""Messages on disk: kept whole or not at all, taken back, refused when full, and never a call's undoing."""

import asyncio
import contextlib
import json
import os
import resource
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import metrics, wav
from common.errors import CapacityError, ConfigError, LocalProtocolError, StorageUnavailable
from common.left_messages import read_all
from fakes.waiting import until
from fallback.messages import LONGEST_BYTES, Messages, Recording

NUMBER = "+15550100123"
SECOND = bytes(range(256)) * 31 + b"\x00" * 64
ROOM_MB = 100


def counted(result: str) -> float:
    return float(metrics.MESSAGES_LEFT.labels(result)._value.get())


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def begun(store: Messages, directory: Path) -> Recording:
    """A recording whose file is there."""
    recording = store.begin("CA1", "desk", NUMBER)
    await until(lambda: part_of(directory))
    return recording


def part_of(directory: Path) -> Path | None:
    """The file of the one recording there is."""
    return next(iter(directory.glob("*.part")), None)


async def written(directory: Path, size: int) -> None:
    """Wait until so much of the one recording is on disk."""
    part = part_of(directory)
    assert part is not None
    await until(lambda: part.stat().st_size >= size)


async def test_a_message_is_a_wav_with_what_is_known_of_it_beside(tmp_path: Path) -> None:
    store = Messages(tmp_path, ROOM_MB)
    before = counted("ok")
    recording = store.begin("CA1", "desk", NUMBER)
    for start in range(0, len(SECOND), 160):
        recording.write(SECOND[start : start + 160])
    recording.write(b"\x11" * 801)
    message = await recording.keep()
    assert message.message_id == recording.message_id
    assert message.duration_ms == 1_100
    data = (tmp_path / f"{message.message_id}.wav").read_bytes()
    assert wav.read(data) == SECOND + b"\x11" * 801
    assert struct.unpack_from("<HHI", data, 20) == (7, 1, 8_000)
    assert b"fact" in data[:60]
    note = json.loads((tmp_path / f"{message.message_id}.json").read_text("utf-8"))
    assert note["left_at"].endswith("Z")
    assert (note["call_id"], note["profile"], note["caller_number"]) == ("CA1", "desk", NUMBER)
    assert names(tmp_path) == [f"{message.message_id}.json", f"{message.message_id}.wav"]
    assert read_all(tmp_path).messages == (message,)
    assert counted("ok") == before + 1


async def test_what_is_kept_is_for_our_eyes_only(tmp_path: Path) -> None:
    directory = tmp_path / "var" / "messages"
    was = os.umask(0)
    try:
        store = Messages(directory, ROOM_MB)
        recording = await begun(store, directory)
        (part,) = directory.iterdir()
        assert stat.S_IMODE(part.stat().st_mode) == 0o600
        await recording.keep()
        await store.note_callback("CA1", "desk", NUMBER)
    finally:
        os.umask(was)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}


async def test_audio_is_on_disk_within_a_second_of_speech(tmp_path: Path) -> None:
    recording = await begun(Messages(tmp_path, ROOM_MB), tmp_path)
    for _ in range(3):
        recording.write(SECOND)
        await written(tmp_path, len(SECOND))
    await written(tmp_path, 3 * len(SECOND))
    await recording.drop()


async def test_a_message_that_is_dropped_leaves_nothing(tmp_path: Path) -> None:
    store = Messages(tmp_path, ROOM_MB)
    before = counted("dropped")
    recording = store.begin("CA1", "desk", NUMBER)
    recording.write(SECOND * 3)
    await recording.drop()
    assert names(tmp_path) == []
    assert counted("dropped") == before + 1


async def test_what_comes_after_the_longest_message_is_left_out(tmp_path: Path) -> None:
    recording = Messages(tmp_path, ROOM_MB).begin("CA1", "desk", NUMBER)
    for _ in range(200):
        recording.write(b"\x22" * 8_000)
    message = await recording.keep()
    assert message.duration_ms == LONGEST_BYTES // 8


async def test_a_wish_to_be_called_back_is_kept_without_a_recording(tmp_path: Path) -> None:
    wish = await Messages(tmp_path, ROOM_MB).note_callback("CA1", "desk", NUMBER)
    assert names(tmp_path) == [f"{wish.message_id}.json"]
    (listed,) = read_all(tmp_path).messages
    assert (listed.kind, listed.caller_number, listed.audio_path(tmp_path)) == ("callback", NUMBER, None)


async def test_a_recording_is_ended_once(tmp_path: Path) -> None:
    recording = Messages(tmp_path, ROOM_MB).begin("CA1", "desk", NUMBER)
    await recording.keep()
    with pytest.raises(LocalProtocolError):
        await recording.drop()


async def test_a_message_is_kept_though_the_call_that_left_it_is_cancelled(tmp_path: Path) -> None:
    store = Messages(tmp_path, ROOM_MB)
    recording = await begun(store, tmp_path)
    recording.write(SECOND)
    call = asyncio.create_task(recording.keep())
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await store.close()
    assert [message.duration_ms for message in read_all(tmp_path).messages] == [1_000]


# --- when the disk will not -------------------------------------------------------------------------------------------


async def until_refused(recording: Recording) -> Exception:
    """Write until the recording says that it has failed."""
    failures: list[Exception] = []

    def has_refused() -> bool:
        try:
            recording.write(SECOND)
        except (CapacityError, StorageUnavailable) as error:
            failures.append(error)
        return bool(failures)

    await until(has_refused)
    return failures[0]


async def test_a_full_store_refuses_a_message_and_keeps_what_it_has(tmp_path: Path) -> None:
    store = Messages(tmp_path, 2)
    kept = await store.begin("CA1", "desk", NUMBER).keep()
    (tmp_path / "other.wav").write_bytes(b"\0" * 1_000_000)
    before = counted("full")
    recording = store.begin("CA2", "desk", NUMBER)
    assert isinstance(await until_refused(recording), CapacityError)
    with pytest.raises(CapacityError):
        await recording.keep()
    await recording.drop()
    assert read_all(tmp_path).messages == (kept,)
    assert counted("full") == before + 1


async def test_running_recordings_have_their_room_already(tmp_path: Path) -> None:
    store = Messages(tmp_path, 2)
    first = await begun(store, tmp_path)
    assert isinstance(await until_refused(store.begin("CA2", "desk", NUMBER)), CapacityError)
    await first.drop()
    await store.begin("CA3", "desk", NUMBER).keep()


async def test_a_directory_that_cannot_be_made_is_a_typed_error_and_counted(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = Messages(tmp_path / "file" / "messages", ROOM_MB)
    before = counted("failed")
    recording = store.begin("CA1", "desk", NUMBER)
    assert isinstance(await until_refused(recording), StorageUnavailable)
    with pytest.raises(StorageUnavailable):
        await recording.keep()
    with pytest.raises(StorageUnavailable):
        await store.note_callback("CA1", "desk", NUMBER)
    assert await store.salvage() == ()
    assert counted("failed") == before + 2


@contextlib.contextmanager
def small_files() -> Iterator[None]:
    """No file of this process may grow beyond 20 kB: a write fails in the middle, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_disk_that_fails_while_the_caller_speaks_is_told_at_the_next_write(tmp_path: Path) -> None:
    before = counted("failed")
    recording = await begun(Messages(tmp_path, ROOM_MB), tmp_path)
    with small_files():
        assert isinstance(await until_refused(recording), StorageUnavailable)
    with pytest.raises(StorageUnavailable):
        await recording.keep()
    await recording.drop()
    assert counted("failed") == before + 1


async def test_what_was_on_disk_before_it_failed_can_still_be_salvaged(tmp_path: Path) -> None:
    store = Messages(tmp_path, ROOM_MB)
    recording = await begun(store, tmp_path)
    with small_files():
        await until_refused(recording)
    (message,) = await store.salvage()
    assert 2_000 <= message.duration_ms <= 2_500


async def test_a_message_that_cannot_become_one_is_no_half_message(tmp_path: Path) -> None:
    recording = await begun(Messages(tmp_path, ROOM_MB), tmp_path)
    (tmp_path / f"{recording.message_id}.wav.tmp").mkdir()
    with pytest.raises(StorageUnavailable):
        await recording.keep()
    assert read_all(tmp_path).messages == ()
    assert part_of(tmp_path)


def test_a_place_where_nothing_can_be_kept_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file" / "messages"):
        with pytest.raises(ConfigError, match=r"FALLBACK_MESSAGES: .* is not a directory"):
            Messages(path, ROOM_MB).check()
    Messages(tmp_path / "new" / "messages", ROOM_MB).check()
    assert names(tmp_path) == ["file"]


# --- left-overs -------------------------------------------------------------------------------------------------------


def left_over(directory: Path, message_id: str, audio: bytes) -> Path:
    head = {"message_id": message_id, "call_id": "CA1", "profile": "desk", "left_at": "2026-11-30T12:00:00Z"}
    part = directory / f"{message_id}.part"
    part.write_bytes(json.dumps(head).encode() + b"\n" + audio)
    return part


async def test_a_left_over_of_a_second_becomes_a_message_and_a_shorter_one_nothing(tmp_path: Path) -> None:
    left_over(tmp_path, "message-long", SECOND + b"\n\n")
    left_over(tmp_path, "message-short", SECOND[:-1])
    before = counted("salvaged"), counted("dropped")
    (message,) = await Messages(tmp_path, ROOM_MB).salvage()
    assert (message.message_id, message.call_id, message.duration_ms) == ("message-long", "CA1", 1_000)
    assert names(tmp_path) == ["message-long.json", "message-long.wav"]
    assert wav.read((tmp_path / "message-long.wav").read_bytes()) == SECOND + b"\n\n"
    assert (counted("salvaged"), counted("dropped")) == (before[0] + 1, before[1] + 1)


async def test_what_is_being_recorded_is_no_left_over(tmp_path: Path) -> None:
    recording = await begun(Messages(tmp_path, ROOM_MB), tmp_path)
    recording.write(SECOND * 2)
    assert await Messages(tmp_path, ROOM_MB).salvage() == ()
    assert (await recording.keep()).duration_ms == 2_000


async def test_replicas_that_start_together_salvage_a_message_once(tmp_path: Path) -> None:
    for number in range(20):
        left_over(tmp_path, f"message-{number}", SECOND)
    stores = [Messages(tmp_path, ROOM_MB) for _ in range(4)]
    salvaged = await asyncio.gather(*(store.salvage() for store in stores))
    found = sorted(message.message_id for each in salvaged for message in each)
    assert found == sorted(f"message-{number}" for number in range(20))


async def test_a_message_that_was_complete_but_for_its_left_over_is_the_same_message(tmp_path: Path) -> None:
    part = left_over(tmp_path, "message-a", SECOND)
    content = part.read_bytes()
    store = Messages(tmp_path, ROOM_MB)
    first = await store.salvage()
    part.write_bytes(content)
    assert await store.salvage() == first
    assert read_all(tmp_path).messages == first


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"{}\n", b"x" * 100_000, b"\xff\xfe\n" + b"\0" * 9_000, b"[" * 10_000 + b"\n"],
)
async def test_a_file_that_only_looks_like_a_left_over_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.part").write_bytes(content)
    left_over(tmp_path, "message-a", SECOND)
    left_over(tmp_path, "message-b", SECOND).rename(tmp_path / "message-c.part")
    assert len(await Messages(tmp_path, ROOM_MB).salvage()) == 1
    assert (tmp_path / "odd.part").read_bytes() == content
    assert (tmp_path / "message-c.part").exists()


async def test_links_pipes_and_folders_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    store = tmp_path / "store"
    store.mkdir()
    os.symlink(left_over(outside, "message-a", SECOND), store / "message-a.part")
    os.mkfifo(store / "message-b.part")
    (store / "message-c.part").mkdir()
    assert await Messages(store, ROOM_MB).salvage() == ()
    assert names(outside) == ["message-a.part"]


async def test_files_whose_writer_died_are_swept_away_but_not_those_being_written(tmp_path: Path) -> None:
    for name in ("old.wav.tmp", "new.wav.tmp"):
        (tmp_path / name).write_bytes(b"")
    os.utime(tmp_path / "old.wav.tmp", (1_000_000_000, 1_000_000_000))
    await Messages(tmp_path, ROOM_MB).salvage()
    assert names(tmp_path) == ["new.wav.tmp"]


@given(st.lists(st.binary(max_size=9_000), max_size=12))
def test_every_byte_is_kept_in_order_however_it_comes(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    directory = tmp_path_factory.mktemp("messages")

    async def leave() -> bytes:
        recording = Messages(directory, ROOM_MB).begin("CA1", "desk", NUMBER)
        for piece in pieces:
            recording.write(piece)
            await asyncio.sleep(0)
        await recording.keep()
        return wav.read((directory / f"{recording.message_id}.wav").read_bytes())

    assert asyncio.run(leave()) == b"".join(pieces)
