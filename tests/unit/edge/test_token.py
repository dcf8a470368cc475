"""The stream token: ours, of this call, fresh."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import SecurityError
from edge.legs.twilio.token import MAX_AGE_S, StreamToken, TokenMint

NOW = 1_800_000_000.0
MINT = TokenMint("an-auth-token-of-twilio")
TOKEN = StreamToken(call_sid="CA" + "0" * 32, profile="desk", caller="+15550100100", dialled="+15550100200")


def kind_of_refusal(text: str, at: float = NOW) -> str:
    with pytest.raises(SecurityError) as refusal:
        MINT.read(text, at)
    return refusal.value.kind


def test_a_token_comes_back_as_it_was_issued_with_nonce_and_time() -> None:
    read = MINT.read(MINT.issue(TOKEN, NOW), NOW + 1)
    assert (read.call_sid, read.profile, read.caller, read.dialled) == (
        TOKEN.call_sid,
        TOKEN.profile,
        TOKEN.caller,
        TOKEN.dialled,
    )
    assert len(read.nonce) >= 12
    assert read.issued_at == NOW


def test_a_token_says_whether_the_call_had_a_stream_before() -> None:
    resumed = StreamToken(call_sid="CA1", profile="desk", caller="", dialled="", is_resumed=True)
    assert MINT.read(MINT.issue(resumed, NOW), NOW).is_resumed
    assert not MINT.read(MINT.issue(TOKEN, NOW), NOW).is_resumed


def test_no_two_tokens_have_the_same_nonce() -> None:
    nonces = {MINT.read(MINT.issue(TOKEN, NOW), NOW).nonce for _ in range(100)}
    assert len(nonces) == 100


def test_every_edge_with_the_same_secret_reads_it_and_no_other() -> None:
    text = MINT.issue(TOKEN, NOW)
    assert TokenMint("an-auth-token-of-twilio").read(text, NOW).profile == "desk"
    with pytest.raises(SecurityError):
        TokenMint("another-secret-of-somebody").read(text, NOW)


def test_a_token_lives_a_minute() -> None:
    text = MINT.issue(TOKEN, NOW)
    assert MINT.read(text, NOW + MAX_AGE_S).profile == "desk"
    assert kind_of_refusal(text, NOW + MAX_AGE_S + 0.2) == "expired_token"


def test_edges_whose_clocks_differ_a_little_agree() -> None:
    text = MINT.issue(TOKEN, NOW)
    assert MINT.read(text, NOW - 4).profile == "desk"
    assert kind_of_refusal(text, NOW - 6) == "expired_token"


def test_a_missing_token_has_a_kind_of_its_own() -> None:
    assert kind_of_refusal("") == "missing_token"


@pytest.mark.parametrize("text", [".", "a.b", "a", "..", "é.é", "a" * 10_000, "\x00.\x00", "\ud800.x"])
def test_what_is_no_token_is_refused(text: str) -> None:
    assert kind_of_refusal(text) == "bad_token"


def test_a_body_we_signed_but_cannot_read_is_refused() -> None:
    for body in (b"!", base64.urlsafe_b64encode(b"[]"), base64.urlsafe_b64encode(b'{"c":1}')):
        assert kind_of_refusal(f"{body.decode()}.{MINT._sign(body)}") == "bad_token"


def test_a_token_fits_in_a_twilio_parameter() -> None:
    long = StreamToken("CA" + "f" * 32, "p" * 40, "+" + "9" * 63, "+" + "9" * 63)
    assert len("token") + len(MINT.issue(long, NOW)) < 500


@given(st.data())
def test_a_token_changed_in_any_place_is_refused(data: st.DataObject) -> None:
    text = MINT.issue(TOKEN, NOW)
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(codec="ascii").filter(lambda character: character != text[at]))
    assert kind_of_refusal(text[:at] + letter + text[at + 1 :]) == "bad_token"


@given(st.text())
def test_no_text_at_all_gets_in(text: str) -> None:
    assert kind_of_refusal(text) in ("missing_token", "bad_token")
