"""Percentiles are samples that were really measured."""

from bench.latency import Summary, summarise


def test_percentiles_are_nearest_ranks_in_milliseconds() -> None:
    samples = [n / 1000 for n in range(100, 0, -1)]
    assert summarise(samples) == Summary(p50=50.0, p99=99.0, max=100.0, n=100)


def test_one_sample_is_every_percentile() -> None:
    assert summarise([0.0042]) == Summary(p50=4.2, p99=4.2, max=4.2, n=1)


def test_no_sample_gives_no_number() -> None:
    assert summarise([]) == Summary(None, None, None, 0)
