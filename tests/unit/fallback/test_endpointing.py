"""Where turns begin and end, by how likely each piece of audio is speech."""

from hypothesis import given
from hypothesis import strategies as st

from common.profile import SemanticVad, ServerVad
from fallback.core.endpointing import ONSET_MS, PIECE_MS, TURN_AT_MOST_MS, Boundary, Endpointing, TurnBegan, TurnEnded

SPEECH, QUIET = 0.9, 0.05


def fed(endpointing: Endpointing, *stretches: tuple[float, int]) -> list[Boundary]:
    """The boundaries in stretches of equal likelihood, so many pieces each."""
    found = (endpointing.feed(likelihood) for likelihood, pieces in stretches for _ in range(pieces))
    return [boundary for boundary in found if boundary is not None]


def test_a_turn_begins_at_its_first_sound_less_the_lead_in_and_ends_after_the_silence_that_the_profile_wants() -> None:
    detection = ServerVad(prefix_padding_ms=300, silence_duration_ms=500)
    began, ended = fed(Endpointing(detection), (QUIET, 20), (SPEECH, 30), (QUIET, 40))
    assert began == TurnBegan(20 * PIECE_MS - 300)
    assert ended == TurnEnded(50 * PIECE_MS + 500, quiet_ms=512)


def test_a_profile_that_leaves_it_to_the_model_has_nothing_added_to_its_positions() -> None:
    began, ended = fed(Endpointing(SemanticVad()), (QUIET, 20), (SPEECH, 30), (QUIET, 40))
    assert (began.audio_ms, ended.audio_ms) == (20 * PIECE_MS, 50 * PIECE_MS)


def test_who_speaks_at_once_is_noticed_where_it_was() -> None:
    assert fed(Endpointing(ServerVad(prefix_padding_ms=300)), (SPEECH, 3)) == [TurnBegan(-300)]


def test_a_click_begins_no_turn() -> None:
    pieces = ONSET_MS // PIECE_MS - 1
    assert fed(Endpointing(ServerVad()), (QUIET, 9), (SPEECH, pieces), (QUIET, 9), (SPEECH, pieces), (QUIET, 9)) == []


def test_a_pause_shorter_than_the_silence_does_not_end_a_turn() -> None:
    endpointing = Endpointing(ServerVad(silence_duration_ms=500))
    assert len(fed(endpointing, (SPEECH, 10), (QUIET, 15), (SPEECH, 10), (QUIET, 15), (SPEECH, 1), (QUIET, 15))) == 1
    assert endpointing.is_speaking


def test_a_turn_goes_on_while_speech_fades_a_little_below_the_threshold() -> None:
    endpointing = Endpointing(ServerVad(threshold=0.5))
    assert len(fed(endpointing, (SPEECH, 10), (0.4, 100))) == 1
    assert len(fed(endpointing, (0.3, 100))) == 1


def test_a_turn_ends_even_at_a_threshold_that_nothing_is_below() -> None:
    assert len(fed(Endpointing(ServerVad(threshold=0.1)), (SPEECH, 10), (0.001, 100))) == 2


def test_a_turn_without_an_end_is_ended_and_what_follows_is_the_next() -> None:
    endpointing = Endpointing(ServerVad())
    boundaries = fed(endpointing, (SPEECH, TURN_AT_MOST_MS // PIECE_MS + 10))
    assert [type(each) for each in boundaries] == [TurnBegan, TurnEnded, TurnBegan]
    assert isinstance(boundaries[1], TurnEnded)
    assert boundaries[1].quiet_ms == 0


def test_a_turn_noticed_otherwise_lies_where_audio_has_got_to() -> None:
    endpointing = Endpointing(ServerVad(prefix_padding_ms=300, silence_duration_ms=500))
    fed(endpointing, (QUIET, 100))
    assert (endpointing.began_here_ms, endpointing.ended_here_ms) == (2_900, 3_700)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 30)), max_size=30), st.floats(0, 1), st.integers(100, 900))
def test_beginnings_and_ends_alternate_and_never_go_back(
    stretches: list[tuple[float, int]], threshold: float, silence_ms: int
) -> None:
    detection = ServerVad(threshold=threshold, prefix_padding_ms=0, silence_duration_ms=silence_ms)
    endpointing = Endpointing(detection)
    boundaries = fed(endpointing, *stretches)
    assert [isinstance(each, TurnBegan) for each in boundaries] == [n % 2 == 0 for n in range(len(boundaries))]
    assert endpointing.is_speaking == bool(len(boundaries) % 2)
    sounds = [each.audio_ms - (silence_ms if isinstance(each, TurnEnded) else 0) for each in boundaries]
    assert sounds == sorted(sounds)
