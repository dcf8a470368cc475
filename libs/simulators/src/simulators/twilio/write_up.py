"""Turn the diary of a finished call into its result."""

from simulators.people.pcmu import BYTES_PER_MS, SILENCE
from simulators.twilio import result
from simulators.twilio.barge_in import barge_ins
from simulators.twilio.diary import Diary, StreamEntry
from simulators.twilio.line import Line
from simulators.twilio.media_socket import Ending
from simulators.twilio.notices import VIOLATIONS
from simulators.twilio.playback import Chunk
from simulators.twilio.result import CallResult
from simulators.twilio.steps import EndedBy


def write_up(diary: Diary, line: Line, ended_by: EndedBy, ended_s: float) -> CallResult:
    """The result, once everything has ended."""
    return _Writer(diary, line, ended_s).write(ended_by)


class _Writer:
    """Turns one finished diary into a result."""

    def __init__(self, diary: Diary, line: Line, ended_s: float) -> None:
        self._diary = diary
        self._line = line
        self._ended_s = ended_s
        self._answered_s = diary.answered_s if diary.answered_s is not None else diary.placed_s
        self._zero_s = diary.zero_s if diary.zero_s is not None else self._answered_s

    def write(self, ended_by: EndedBy) -> CallResult:
        diary, line = self._diary, self._line
        script = line.script
        failure = line.person.failure(ended_by) or self._violation(script.tolerate)
        return CallResult(
            call_sid=diary.call_sid,
            script=script.name,
            is_ok=failure is None,
            failure=failure,
            ended_by=ended_by,
            duration_ms=_ms(self._ended_s - self._zero_s),
            zero_monotonic_s=self._zero_s,
            first_frame_monotonic_s=line.first_frame_s,
            answered_ms=self._since(self._answered_s),
            answered_monotonic_s=self._answered_s,
            ended_monotonic_s=self._ended_s,
            streams=tuple(map(self._stream, diary.streams)),
            caller_turns=self._turns(),
            agent_audible=self._audible(),
            barge_ins=self._barge_ins(),
            marks=self._marks(),
            clears=self._clears(),
            notices=self._notices(),
            twilio_documents=self._documents(),
            said=tuple(result.SaidResult(text, self._since(at), at) for at, text in diary.said),
            dials=tuple(
                result.DialResult(to, status, heard, is_bridged, self._since(at), at)
                for at, to, status, heard, is_bridged in diary.dials
            ),
            side_sockets=tuple(
                result.SideSocketResult(**fields, at_ms=self._since(at)) for at, fields in diary.side_sockets
            ),
            digits_sent=diary.digits,
            frames_sent=sum(entry.stream.frames_sent for entry in diary.streams),
            late_frames=diary.lateness.late_frames,
            max_lateness_ms=_ms(diary.lateness.max_s),
            chunks=tuple(
                self._chunk(entry, chunk) for entry in diary.streams for chunk in entry.stream.chunk_log or ()
            ),
            caller_pcmu=self._since_zero(line.caller_audio),
            heard_pcmu=self._since_zero(line.agent_audio),
        )

    def _violation(self, tolerated: tuple[int, ...]) -> str | None:
        for _, notice in self._diary.notices:
            if notice.code in VIOLATIONS and notice.code not in tolerated:
                return f"the server broke the protocol: {notice}"
        return None

    def _since(self, at_s: float) -> float:
        return _ms(at_s - self._zero_s)

    def _since_zero(self, audio: bytearray) -> bytes:
        """A recording from time zero on, exact to the sample: the line's own began with its first frame."""
        skipped = round((self._zero_s - self._line.first_frame_s) * 1000 * BYTES_PER_MS) if audio else 0
        return bytes([SILENCE]) * -skipped + bytes(audio[max(0, skipped) :])

    def _stream(self, entry: StreamEntry) -> result.StreamResult:
        ending = entry.ending or Ending("broken")
        ended_s = entry.ended_s if entry.ended_s is not None else self._ended_s
        return result.StreamResult(
            stream_sid=entry.stream.ids.stream_sid,
            url=entry.url,
            attached_ms=self._since(entry.attached_s),
            attached_monotonic_s=entry.attached_s,
            ended_ms=self._since(ended_s),
            ended_monotonic_s=ended_s,
            ended_how=ending.how,
            close_code=ending.code,
            close_reason=ending.reason,
            frames_sent=entry.stream.frames_sent,
            frames_dropped=entry.stream.frames_dropped,
            received_bytes=entry.stream.received_bytes,
        )

    def _turns(self) -> tuple[result.TurnResult, ...]:
        return tuple(
            result.TurnResult(
                recording=turn.recording,
                text=turn.text,
                start_ms=self._since(turn.start_s),
                end_ms=self._since(turn.end_s),
                speech_start_ms=self._since(turn.speech_start_s),
                speech_end_ms=self._since(turn.speech_end_s),
                start_monotonic_s=turn.start_s,
                end_monotonic_s=turn.end_s,
                speech_start_monotonic_s=turn.speech_start_s,
                speech_end_monotonic_s=turn.speech_end_s,
            )
            for turn in self._line.turns
        )

    def _audible(self) -> tuple[result.AudibleResult, ...]:
        return tuple(
            result.AudibleResult(self._since(one.start_s), self._since(one.end_s), one.start_s, one.end_s)
            for one in self._line.ear.intervals
        )

    def _barge_ins(self) -> tuple[result.BargeInResult, ...]:
        onsets = [turn.speech_start_s for turn in self._line.turns if turn.speech_end_s > turn.speech_start_s]
        clears = [at for at, _, _ in self._diary.clears]
        return tuple(
            result.BargeInResult(
                onset_ms=self._since(one.onset_s),
                silent_after_ms=_ms(one.silent_s - one.onset_s),
                cleared_after_ms=None if one.cleared_s is None else _ms(one.cleared_s - one.onset_s),
                onset_monotonic_s=one.onset_s,
            )
            for one in barge_ins(onsets, self._line.ear.intervals, clears)
        )

    def _marks(self) -> tuple[result.MarkResult, ...]:
        return tuple(
            result.MarkResult(mark.name, mark.by_clear, sid, self._since(at), at) for at, sid, mark in self._diary.marks
        )

    def _clears(self) -> tuple[result.ClearResult, ...]:
        return tuple(
            result.ClearResult(sid, _ms(clear.dropped_ms / 1000), self._since(at), at)
            for at, sid, clear in self._diary.clears
        )

    def _notices(self) -> tuple[result.NoticeResult, ...]:
        return tuple(
            result.NoticeResult(note.code, note.level, note.meaning, note.detail, self._since(at), at)
            for at, note in self._diary.notices
        )

    def _documents(self) -> tuple[result.DocumentResult, ...]:
        return tuple(
            result.DocumentResult(url, status, verbs, self._since(at), at, _ms(took))
            for at, url, status, verbs, took in self._diary.documents
        )

    def _chunk(self, entry: StreamEntry, chunk: Chunk) -> result.ChunkResult:
        return result.ChunkResult(
            stream_sid=entry.stream.ids.stream_sid,
            arrived_ms=self._since(chunk.arrived_s),
            arrived_monotonic_s=chunk.arrived_s,
            size_bytes=chunk.size,
            played_bytes=chunk.played_bytes,
            played_from_ms=None if chunk.played_from_s is None else self._since(chunk.played_from_s),
            played_to_ms=None if chunk.played_to_s is None else self._since(chunk.played_to_s),
            cleared_bytes=chunk.cleared_bytes,
        )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
