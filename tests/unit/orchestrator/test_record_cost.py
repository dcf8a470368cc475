"""What a call costs: prices by model, cached tokens counted once, sums that are exact, and no invented zeros."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConfigError
from orchestrator.core.cost import ModelPrice, PriceTable, Rates, Tokens, microdollars
from orchestrator.records import price_file

NONE = Tokens(0, 0, 0)
OURS = price_file.load(None)
COUNTS = st.integers(0, 10_000_000)
PRICES = st.integers(0, 100_000_000)


@st.composite
def tokens(draw: st.DrawFn) -> Tokens:
    """Also those no honest provider reports: more cached than there were."""
    return Tokens(draw(COUNTS), draw(COUNTS), draw(COUNTS))


@st.composite
def rates(draw: st.DrawFn) -> Rates:
    """Cached tokens are never dearer."""
    full = draw(PRICES)
    return Rates(full, draw(st.integers(0, full)), draw(PRICES))


def one_model(rates: Rates) -> PriceTable:
    return PriceTable("test", {"m": ModelPrice(audio=rates)})


def test_a_minute_of_the_current_model_costs_what_the_vendor_says() -> None:
    heard, said = Tokens(600, 0, 0), Tokens(0, 0, 1_200)  # one per 100 ms, one per 50 ms
    assert OURS.cost("gpt-realtime-2.1", NONE, heard) == 19_200 * 1_000_000  # $0.0192
    assert OURS.cost("gpt-realtime-2.1", NONE, said) == 76_800 * 1_000_000  # $0.0768


def test_cached_tokens_are_part_of_the_input_and_counted_once() -> None:
    cost = OURS.cost("gpt-realtime-2.1", Tokens(1_000, 600, 0), NONE)
    assert cost is not None
    assert microdollars(cost) == 400 * 4 + 600 * 0.4


@pytest.mark.parametrize(
    ("model", "known_as"),
    [
        ("gpt-realtime-2.1", "gpt-realtime-2.1"),
        ("gpt-realtime-2.1-2026-08-01", "gpt-realtime-2.1"),
        ("gpt-realtime-2.1-mini-2026-08-01", "gpt-realtime-2.1-mini"),
        ("gpt-realtime-2025-08-28", "gpt-realtime"),
        ("gpt-realtime-3", None),
        ("gpt-realtime-2.15", None),
        ("gpt-realtime-2.1-mini-fast", None),
        ("", None),
    ],
)
def test_a_snapshot_costs_what_its_model_costs_and_a_new_model_is_not_known(model: str, known_as: str | None) -> None:
    assert OURS.price_of(model) == (OURS.models[known_as] if known_as else None)


def test_what_has_no_price_has_no_cost_instead_of_none_at_all() -> None:
    assert OURS.cost("llama-on-my-desk", Tokens(10, 0, 5), NONE) is None
    assert OURS.cost("gpt-realtime", Tokens(10, 0, 5), Tokens(10, 0, 5)) is None, "its text has no price any more"
    assert OURS.cost("gpt-realtime", NONE, Tokens(10, 0, 5)) is not None


@given(tokens(), rates())
def test_a_cost_is_never_negative_and_cached_never_dearer_than_full(used: Tokens, price: Rates) -> None:
    cost = one_model(price).cost("m", NONE, used)
    uncached = one_model(price).cost("m", NONE, Tokens(used.input, 0, used.output))
    assert cost is not None
    assert uncached is not None
    assert 0 <= cost <= uncached


@given(tokens(), tokens(), rates())
def test_responses_add_up_to_their_call(first: Tokens, second: Tokens, price: Rates) -> None:
    first, second = (Tokens(each.input, min(each.cached, each.input), each.output) for each in (first, second))
    table = one_model(price)
    both = Tokens(first.input + second.input, first.cached + second.cached, first.output + second.output)
    parts = [table.cost("m", NONE, each) for each in (first, second)]
    assert table.cost("m", NONE, both) == sum(part for part in parts if part is not None)


def test_the_largest_report_still_fits_a_column() -> None:
    huge = Tokens(10**30, 0, 10**30)
    cost = PriceTable("t", {"m": ModelPrice(Rates(10**9, 0, 10**9), Rates(10**9, 0, 10**9))}).cost("m", huge, huge)
    assert cost is not None
    assert cost < 2**63


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version = ", "not TOML"),
        ("[models]", "version: Field required"),
        ('version = "1"\n[models.m]\naudio = { input = -1, cached = 0, output = 0 }', "models.m.audio.input"),
        ('version = "1"\n[models.m]\naudio = { input = 1, output = 0 }', "models.m.audio.cached"),
        ('version = "1"\n[models.m]\nspeech = 3', "models.m.speech"),
    ],
)
def test_a_price_file_that_cannot_be_used_is_refused_with_the_place(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=f"^ORCHESTRATOR_PRICES: .*{says}"):
        price_file.load(file)


def test_a_price_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        price_file.load(tmp_path / "none.toml")


def test_prices_are_exact(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('version = "x"\n[models.m]\ntext = { input = 0.1, cached = 0.07, output = 2 }\n')
    assert price_file.load(file).models["m"].text == Rates(100_000, 70_000, 2_000_000)
