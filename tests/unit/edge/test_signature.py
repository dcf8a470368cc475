"""Twilio's signatures: what the twilio library signs we accept, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from common.errors import SecurityError
from edge.legs.twilio.signature import Params, SignatureCheck

TOKEN = "an-auth-token-of-twilio"
SHARED_KEY = "the-secret-of-a-shared-key"
URL = "https://voice.example.com/twilio/voice"
FORM: Params = {"CallSid": ["CA1"], "From": ["+15550100100"], "Body": ["ひらがな & more"]}
SETTINGS = "x-twilio-webhooks-signature-settings"


class MultiForm(dict[str, list[str]]):
    """A form with repeated fields, as the library reads them."""

    def getall(self, name: str) -> list[str]:
        return self[name]


def sign(url: str, form: Params, key: str = TOKEN, algorithm: str | None = None) -> str:
    fields = MultiForm({name: list(values) for name, values in form.items()})
    return str(RequestValidator(key).compute_signature(url, fields, algorithm))


def accepts(url: str, form: Params, headers: dict[str, str], shared_key: str | None = None) -> bool:
    try:
        SignatureCheck(TOKEN, shared_key).check(url, form, headers)
    except SecurityError as error:
        return error.kind != "bad_signature"
    return True


def test_a_request_signed_with_the_auth_token_is_accepted() -> None:
    assert accepts(URL, FORM, {"x-twilio-signature": sign(URL, FORM)})


def test_another_key_another_form_another_address_or_none_is_refused() -> None:
    assert not accepts(URL, FORM, {"x-twilio-signature": sign(URL, FORM, "another-token")})
    assert not accepts(URL, {**FORM, "From": ["+15550100999"]}, {"x-twilio-signature": sign(URL, FORM)})
    assert not accepts(URL, {**FORM, "Extra": [""]}, {"x-twilio-signature": sign(URL, FORM)})
    assert not accepts(URL + "/", FORM, {"x-twilio-signature": sign(URL, FORM)})
    assert not accepts(URL.replace("https", "http"), FORM, {"x-twilio-signature": sign(URL, FORM)})
    assert not accepts(URL, FORM, {})
    assert not accepts(URL, FORM, {"x-twilio-signature": ""})


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "https://voice.example.com:8443/twilio/voice",
        "http://127.0.0.1:8080/twilio/voice",
        "https://Voice.Example.COM/twilio/voice",
        "https://voice.example.com/twilio/voice?bodySHA256=0&x=%20y",
        "https://voice.example.com/prefix/twilio/voice?a=1&a=2",
        "wss://voice.example.com/twilio/media",
        "https://[2001:db8::1]/twilio/voice",
        "https://[2001:db8::1]:8443/twilio/voice",
    ],
)
def test_the_address_is_signed_as_it_was_configured(url: str) -> None:
    assert accepts(url, FORM, {"x-twilio-signature": sign(url, FORM)})
    assert RequestValidator(TOKEN).validate(url, MultiForm({k: list(v) for k, v in FORM.items()}), sign(url, FORM))


@pytest.mark.parametrize(
    ("configured", "signed"),
    [
        (URL, "https://voice.example.com:443/twilio/voice"),
        ("https://voice.example.com:443/twilio/voice", URL),
        ("https://voice.example.com:8443/twilio/voice", URL),
        ("http://peer/twilio/voice", "http://peer:80/twilio/voice"),
        ("wss://voice.example.com/twilio/media", "wss://voice.example.com:443/twilio/media"),
        ("wss://voice.example.com:443/twilio/media", "wss://voice.example.com/twilio/media"),
        ("ws://peer:8080/twilio/media", "ws://peer/twilio/media"),
        ("https://[2001:db8::1]/twilio/voice", "https://[2001:db8::1]:443/twilio/voice"),
    ],
)
def test_signers_may_differ_on_the_port(configured: str, signed: str) -> None:
    assert accepts(configured, FORM, {"x-twilio-signature": sign(signed, FORM)})


def test_the_port_the_library_takes_for_wss_is_not_ours() -> None:
    url = "wss://voice.example.com/twilio/media"
    assert not accepts(url, {}, {"x-twilio-signature": sign("wss://voice.example.com:80/twilio/media", {})})


def test_an_upgrade_is_signed_without_fields() -> None:
    url = "wss://voice.example.com/twilio/media"
    assert accepts(url, {}, {"x-twilio-signature": sign(url, {})})
    assert not accepts(url, {}, {"x-twilio-signature": sign(url.replace("wss", "https"), {})})


def test_repeated_fields_count_once_each_value_in_order() -> None:
    form: Params = {"Digits": ["2", "1", "2"], "CallSid": ["CA1"]}
    assert accepts(URL, form, {"x-twilio-signature": sign(URL, form)})
    assert not accepts(URL, {"Digits": ["2"], "CallSid": ["CA1"]}, {"x-twilio-signature": sign(URL, form)})


def test_a_shared_key_signs_with_sha_256() -> None:
    headers = {
        "x-twilio-signature": sign(URL, FORM, SHARED_KEY, "HMAC_SHA256"),
        SETTINGS: "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256",
    }
    assert accepts(URL, FORM, headers, SHARED_KEY)
    assert not accepts(URL, FORM, headers)
    assert not accepts(URL, FORM, {**headers, SETTINGS: "key=k,algorithm=HMAC_SHA1"}, SHARED_KEY)
    assert not accepts(URL, FORM, {"x-twilio-signature": headers["x-twilio-signature"]}, SHARED_KEY)


def test_the_shared_key_does_not_sign_with_sha_1_nor_the_token_with_sha_256() -> None:
    assert not accepts(URL, FORM, {"x-twilio-signature": sign(URL, FORM, SHARED_KEY)}, SHARED_KEY)
    wrong = {"x-twilio-signature": sign(URL, FORM, TOKEN, "HMAC_SHA256"), SETTINGS: "algorithm=HMAC_SHA256"}
    assert not accepts(URL, FORM, wrong, SHARED_KEY)


def test_without_a_shared_key_the_token_signs_both_variants() -> None:
    headers = {"x-twilio-signature": sign(URL, FORM, TOKEN, "HMAC_SHA256"), SETTINGS: "algorithm=hmac_sha256"}
    assert accepts(URL, FORM, headers)


@pytest.mark.parametrize("settings", ["algorithm=HMAC_MD5", "algorithm=none", "algorithm=NONE,algorithm=HMAC_SHA1"])
def test_an_unknown_algorithm_is_refused(settings: str) -> None:
    assert not accepts(URL, FORM, {"x-twilio-signature": sign(URL, FORM), SETTINGS: settings})


@pytest.mark.parametrize("settings", ["", "key=k", "algorithm=", "nonsense", ",,,"])
def test_settings_that_name_no_algorithm_mean_sha_1(settings: str) -> None:
    assert accepts(URL, FORM, {"x-twilio-signature": sign(URL, FORM), SETTINGS: settings})


ANY_TEXT = st.text(st.characters())  # surrogates too, as undecodable header bytes become


@given(ANY_TEXT, ANY_TEXT)
def test_no_header_makes_it_raise_anything_else(signature: str, settings: str) -> None:
    accepts(URL, FORM, {"x-twilio-signature": signature, SETTINGS: settings})


@given(st.dictionaries(st.text(max_size=8), st.lists(st.text(max_size=8), min_size=1, max_size=3), max_size=5))
def test_whatever_form_the_library_signs_is_accepted(form: dict[str, list[str]]) -> None:
    assert accepts(URL, form, {"x-twilio-signature": sign(URL, form)})
