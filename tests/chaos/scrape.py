"""The metrics of members as Prometheus reads them."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from chaos.processes import Member, fetched


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of a page."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Scraped:
    """What some members say, one after the other."""

    samples: tuple[Sample, ...]

    def total(self, name: str, labels: Mapping[str, str] | None = None) -> float:
        """The sum over all members, and over all labels that are not given."""
        wanted = (labels or {}).items()
        return sum(each.value for each in self.samples if each.name == name and wanted <= each.labels.items())

    def of(self, name: str) -> list[Sample]:
        """All samples of one name."""
        return [each for each in self.samples if each.name == name]


async def scrape(members: Iterable[Member]) -> Scraped:
    """Their pages now. Raises `OSError` if one does not answer."""
    pages = [await asyncio.to_thread(fetched, f"http://127.0.0.1:{member.ops_port}/metrics") for member in members]
    return Scraped(tuple(sample for page in pages for sample in read(page)))


def read(page: str) -> Iterable[Sample]:
    """The samples of one page."""
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            yield Sample(sample.name, sample.labels, sample.value)
