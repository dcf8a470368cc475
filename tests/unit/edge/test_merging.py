"""Joining the audio of one batch: fewer messages, the same sound in the same order."""

from hypothesis import given
from hypothesis import strategies as st

from common.audio import Kind, RawRecord
from edge.core.merging import merged

A, B = 11, 22


def audio(key: int, sequence: int, payload: bytes, offset: int = 0, epoch: int = 1) -> RawRecord:
    return (key, epoch, sequence, offset, Kind.AUDIO, payload)


def test_audio_of_one_call_becomes_one_record_with_the_first_offset_and_the_last_sequence() -> None:
    assert merged([audio(A, 1, b"aa", 0), audio(A, 2, b"bb", 20), audio(A, 3, b"cc", 40)]) == [
        audio(A, 3, b"aabbcc", 0)
    ]


def test_calls_and_epochs_are_never_mixed() -> None:
    records = [audio(A, 1, b"a"), audio(B, 1, b"b"), audio(A, 2, b"A"), audio(B, 2, b"B"), audio(A, 1, b"n", epoch=2)]
    assert merged(records) == [audio(A, 2, b"aA"), audio(B, 2, b"bB"), audio(A, 1, b"n", epoch=2)]


def test_audio_is_not_joined_across_the_border_of_an_item() -> None:
    item: RawRecord = (A, 1, 2, 0, Kind.ITEM, b"next")
    end: RawRecord = (A, 1, 4, 0, Kind.ITEM_END, b"next")
    records = [audio(A, 1, b"a"), item, audio(A, 3, b"b"), end, audio(A, 5, b"c")]
    assert merged(records) == records


def test_text_does_not_part_audio() -> None:
    text: RawRecord = (A, 1, 2, 20, Kind.TEXT, b"word")
    assert merged([audio(A, 1, b"a"), text, audio(A, 3, b"b", 20)]) == [audio(A, 3, b"ab"), text]


RECORDS = st.lists(
    st.tuples(
        st.sampled_from([A, B]),
        st.integers(1, 2),
        st.integers(0, 99),
        st.integers(0, 99),
        st.sampled_from(Kind),
        st.binary(max_size=4),
    )
)


@given(RECORDS)
def test_nothing_is_lost_and_each_kind_of_each_call_keeps_its_order(records: list[RawRecord]) -> None:
    out = merged(records)
    for key in (A, B):
        for epoch in (1, 2):
            ours = [record for record in records if record[:2] == (key, epoch)]
            after = [record for record in out if record[:2] == (key, epoch)]
            assert b"".join(r[5] for r in after if r[4] == Kind.AUDIO) == b"".join(
                r[5] for r in ours if r[4] == Kind.AUDIO
            )
            assert [r for r in after if r[4] != Kind.AUDIO] == [r for r in ours if r[4] != Kind.AUDIO]
