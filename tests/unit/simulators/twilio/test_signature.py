"""Our signatures are those that the twilio library accepts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator, get_signature_algorithm

from simulators.twilio.signature import SETTINGS_HEADER, SIGNATURE_HEADER, SharedKey, SignatureFault, Signer

URL = "https://edge.example/twilio/voice?x=1"
PAIRS = st.lists(st.tuples(st.text(min_size=1), st.text()), unique_by=lambda pair: pair[0])


@given(PAIRS)
def test_the_library_accepts_every_form_signed_with_the_auth_token(pairs: list[tuple[str, str]]) -> None:
    headers = Signer("secret").headers(URL, pairs)
    assert RequestValidator("secret").validate(URL, dict(pairs), headers[SIGNATURE_HEADER])
    assert SETTINGS_HEADER not in headers


def test_the_example_of_the_documentation_gives_its_signature() -> None:
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    assert Signer("12345").headers(url, form.items())[SIGNATURE_HEADER] == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_a_shared_key_is_used_and_named() -> None:
    headers = Signer("secret", SharedKey("SK9", "shared")).headers(URL, [("a", "b")])
    algorithm = get_signature_algorithm(headers[SETTINGS_HEADER])
    assert algorithm == "HMAC_SHA256"
    assert RequestValidator("shared").validate(URL, {"a": "b"}, headers[SIGNATURE_HEADER], algorithm)


@pytest.mark.parametrize("url", ["wss://edge.example/media", "wss://edge.example:8443/media"])
def test_a_socket_is_signed_over_its_url_alone(url: str) -> None:
    assert RequestValidator("secret").validate(url, {}, Signer("secret").headers(url)[SIGNATURE_HEADER])


def test_faults_spoil_or_omit_the_signature() -> None:
    bad = Signer("secret").headers(URL, fault=SignatureFault.BAD)
    assert not RequestValidator("secret").validate(URL, {}, bad[SIGNATURE_HEADER])
    assert Signer("secret").headers(URL, fault=SignatureFault.MISSING) == {}


def test_secrets_are_not_in_the_representation() -> None:
    assert "secret" not in repr(Signer("secret", SharedKey("SK9", "secret2")))
