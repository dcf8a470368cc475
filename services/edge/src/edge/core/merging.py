"""Joins the audio of one call that came in one batch, so that the carrier gets one message and one mark for it."""

from collections.abc import Iterable

from common.audio import Kind, RawRecord


def merged(records: Iterable[RawRecord]) -> list[RawRecord]:
    """The records of a batch with each call's audio joined between its other records.

    Order within a call is kept, except that text goes before the audio it arrived among: its place is its offset. A
    joined record has the first one's offset and the last one's sequence.
    """
    out: list[RawRecord] = []
    open_audio: dict[tuple[int, int], int] = {}
    for record in records:
        key, epoch, sequence, _, kind, payload = record
        call = (key, epoch)
        if kind == Kind.AUDIO:
            at = open_audio.get(call)
            if at is not None:
                _, _, _, offset, _, before = out[at]
                out[at] = (key, epoch, sequence, offset, kind, before + payload)
                continue
            open_audio[call] = len(out)
        elif kind != Kind.TEXT:
            open_audio.pop(call, None)
        out.append(record)
    return out
