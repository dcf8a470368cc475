"""The metrics: dashboards, alerts and autoscaling stand on their names, so a change must be on purpose."""

import ast
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from common import metrics

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "data" / "metrics.txt"
METRICS = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]

UNBOUNDED = {"call", "call_id", "sid", "call_sid", "stream", "item", "session", "talker", "edge", "process", "epoch"}
UNBOUNDED |= {"number", "caller", "from", "to", "user", "text", "url", "message", "id"}


def described(metric: MetricWrapperBase) -> str:
    """Name as scraped, kind, labels."""
    labels = ",".join(metric._labelnames)
    suffix = {"counter": "_total", "info": "_info"}.get(metric._type or "", "")
    return f"{metric._name}{suffix} {metric._type} {{{labels}}}"


def test_the_metrics_are_the_ones_operators_know() -> None:
    found = sorted(map(described, METRICS))
    assert found == GOLDEN.read_text().splitlines(), (
        "metrics changed: tell dashboards and alerts, then write tests/data/metrics.txt anew:\n" + "\n".join(found)
    )


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric._name)
def test_a_metric_has_our_prefix_a_description_and_base_units(metric: MetricWrapperBase) -> None:
    assert metric._name.startswith("trunkline_")
    assert metric._documentation
    assert not metric._name.endswith(("_ms", "_milliseconds", "_minutes", "_kb", "_mb", "_percent"))
    if metric._type == "histogram":
        assert metric._name.endswith("_seconds")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric._name)
def test_no_label_tells_calls_people_or_processes_apart(metric: MetricWrapperBase) -> None:
    assert not UNBOUNDED & set(metric._labelnames)
    assert not any(label.endswith(("_id", "_sid", "_number")) for label in metric._labelnames)


def test_no_metric_is_defined_anywhere_else() -> None:
    makers = {"Counter", "Gauge", "Histogram", "Info", "Summary", "Enum"}
    for path in [*ROOT.glob("libs/*/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")]:
        if path.name == "metrics.py":
            continue
        imported = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        names = {alias.name for node in imported if node.module == "prometheus_client" for alias in node.names}
        assert not names & makers, path
