"""Logs: one line an event, and nothing in it that must not leave the process."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import logs
from common.logs import JsonFormatter, Redactor, TextFormatter

redact = Redactor()

NUMBERS = [
    "+14155550100",
    "14155550100",
    "4155550100",
    "+1 415 555 0100",
    "+1 (415) 555-0100",
    "(415) 555-0100",
    "415.555.0100",
    "415-555-0100",
    "+1-415-555-0100",
    "+44 (0) 20 7946 0958",
    "020 7946 0958",
    "030/1234567",
    "+81 3-1234-5678",
    "090-1234-5678",
    "0120-123-456",
    "０９０－１２３４－５６７８",
    "+1\u00a0415\u00a0555\u00a00100",
    "090‐1234‐5678",
    "%2B14155550100",
    "4155550100x22",
    "4155550100 ext. 22",
    "4111111111111111",
]
AROUND = ["{}", "call from {}.", "From={}&To=x", "tel:{}", "sip:{}@pbx.example.com", '"{}"', "<{}>", "電話番号は{}です"]


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("number", NUMBERS)
def test_a_phone_number_is_removed_however_it_is_written(number: str, around: str) -> None:
    shown = redact(around.format(number))
    assert "[number]" in shown
    assert sum(character.isdigit() for character in shown) <= 2, shown


@pytest.mark.parametrize(
    "text",
    [
        "CA0123456789abcdef0123456789abcdef",
        "CA01234567890123456789012345678901",
        "MZ01234567890123456789012345678901",
        "AC01234567890123456789012345678901",
        "edge-123456789012",
        "realtime_worker-1f0a93c2b7d4",
        "fact-000000000000",
        "item_01234567890123456789",
        "resp_68af0123456789012345",
        "550e8400-e29b-41d4-a716-446655440000",
        "12345678-1234-4abc-8123-123456789012",
        "listening on 0.0.0.0:8080",
        "nats://192.168.100.200:4222",
        "NATS at 10.100.200.30 is back",
        "close 1006 after 3600 s, epoch 12",
        "gpt-realtime-2.1",
        "2026-11-20T13:24:39.123Z",
    ],
)
def test_ids_addresses_and_small_numbers_survive(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key sk-proj-abc_DEF-1234567890 refused", "key [secret] refused"),
        ("ek_0123456789abcdef", "[secret]"),
        ("Authorization: Bearer abc.def.ghi", "Authorization: [secret]"),
        ("authorization: bearer abc.def.ghi", "authorization: [secret]"),
        ("Authorization: Basic QUNmYWtlOmF1dGg0MnRva2Vu", "Authorization: [secret]"),
        ("whsec_c2VjcmV0 is wrong", "[secret] is wrong"),
        ("nats://edge:pa55word@nats.example.com:4222", "nats://[secret]@nats.example.com:4222"),
        ("a basic key of a task-queue", "a basic key of a task-queue"),
    ],
)
def test_keys_are_removed_whoever_made_them(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_given_secrets_are_removed_the_longer_ones_first() -> None:
    hide = Redactor(["auth-token", "auth-token-of-twilio"])
    assert hide("signed with auth-token-of-twilio, then auth-token") == "signed with [secret], then [secret]"


def test_a_secret_too_short_to_tell_from_words_is_left() -> None:
    assert Redactor(["test", ""])("a test") == "a test"


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=6), st.text(), st.text())
def test_no_given_secret_survives_anywhere(secret: str, before: str, after: str) -> None:
    if secret not in "[secret][number]":
        assert secret not in Redactor([secret])(f"{before}{secret}{after}").replace("[secret]", "")


# --- lines ------------------------------------------------------------------------------------------------------------


def record(message: str, *args: object, error: BaseException | None = None, **values: object) -> logging.LogRecord:
    """A record as `log.info(message, *args, extra=fields(**values))` makes it."""
    exc_info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("trunkline.edge", logging.INFO, __file__, 1, message, args, exc_info)
    made.__dict__.update({"fields": values})
    return made


def as_json(made: logging.LogRecord) -> dict[str, object]:
    line = JsonFormatter("edge", Redactor(["hush-hush"])).format(made)
    assert "\n" not in line
    parsed: dict[str, object] = json.loads(line)
    return parsed


def test_a_json_line_holds_the_message_its_fields_and_where_it_comes_from() -> None:
    line = as_json(record("call admitted", call="CA1", calls=3, is_warm=True, talker=None))
    assert line.pop("time")
    assert line == {
        "level": "info",
        "service": "edge",
        "logger": "trunkline.edge",
        "message": "call admitted",
        "call": "CA1",
        "calls": 3,
        "is_warm": True,
        "talker": None,
    }


def test_a_line_for_people_reads_from_left_to_right() -> None:
    formatter = TextFormatter("edge", Redactor())
    assert formatter.format(record("call admitted", call="CA1", calls=3)) == "edge info: call admitted call=CA1 calls=3"


def test_messages_arguments_and_fields_are_all_redacted() -> None:
    line = as_json(record("dialled %s with %s", "+14155550100", "hush-hush", number="+14155550100", key="hush-hush"))
    assert line["message"] == "dialled [number] with [secret]"
    assert (line["number"], line["key"]) == ("[number]", "[secret]")


def test_a_field_that_is_no_plain_value_is_shown_as_redacted_text() -> None:
    line = as_json(record("failed", error=ValueError("+14155550100 said hush-hush")))
    assert "14155550100" not in str(line)
    assert as_json(record("odd", numbers=["+14155550100"]))["numbers"] == "['[number]']"


def test_an_exception_is_named_with_its_place_and_never_with_its_words() -> None:
    try:
        raise KeyError("the caller said: my number is +14155550100")
    except KeyError as caught:
        made = record("handler failed", error=caught)
    for line in (json.dumps(as_json(made)), TextFormatter("edge", Redactor()).format(made)):
        assert "KeyError" in line
        assert f"{__name__}:" in line
        assert "caller said" not in line
        assert "Traceback" not in line


def test_configured_logs_go_to_standard_error_redacted_whoever_writes_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    monkeypatch.setattr(logging, "raiseExceptions", True)
    logs.configure("edge", "info", "text", ["hush-hush"])
    logs.get("test").info("ours: hush-hush")
    logs.get("test").debug("too detailed")
    logging.getLogger("some.library").warning("theirs: %s", "+14155550100")
    logging.getLogger("uvicorn.access").info("GET /twilio/voice?From=+14155550100")
    logs.get("test").info("broken %d", "+14155550100")
    assert capsys.readouterr().err == "edge info: ours: [secret]\nedge warning: theirs: [number]\n"


@pytest.mark.parametrize("library", ["botocore.endpoint", "aiobotocore", "openai._base_client", "nats"])
def test_libraries_that_would_write_whole_requests_are_silent_also_at_debug(library: str) -> None:
    root = logging.getLogger()
    before = root.level, list(root.handlers), logging.raiseExceptions
    try:
        logs.configure("edge", "debug", "json")
        assert not logging.getLogger(library).isEnabledFor(logging.INFO)
    finally:
        root.setLevel(before[0])
        root.handlers, logging.raiseExceptions = before[1], before[2]
