"""The demo's pipeline, on part of its data: PostgreSQL, Meltano, target-batch, the local Batch.

The verdict compares what the local Batch recorded with the database.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from demo import dataset, report
from demo.database import postgresql
from demo.local_batch import local_batch
from demo.pipeline import Pipeline, Run

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
CUSTOMERS = 2500
CAME_BACK = 12

pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(300)]


class Story(NamedTuple):
    """Two runs, customers who came back in between, and both sides at the end."""

    first: Run
    second: Run
    purchases_before: int
    bookmark: int
    lines: list[report.Line]
    rejects: report.Rejects
    calls_above_the_rates: int


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Run the pipeline, let customers come back, run it again."""
    folder = tmp_path_factory.mktemp("pipeline")
    wheel = dataset.fetch(ROOT / ".demo" / "downloads")
    with postgresql() as database, local_batch(folder) as batch:
        database.fill(dataset.purchases(wheel, CUSTOMERS))
        pipeline = Pipeline(folder, database, batch)
        before = database.figures()["purchases"]
        first = pipeline.run()
        bookmark = pipeline.bookmarks()["shop-purchases"]
        database.customers_come_back()
        second = pipeline.run()
        rejects = report.read_rejects(pipeline.rejects())
        lines = report.compare(database, batch, rejects)
        _, refused = batch.calls()
        yield Story(first, second, before, bookmark, lines, rejects, refused)


def test_batch_and_the_database_agree_on_every_line(story: Story) -> None:
    assert [str(line) for line in story.lines if not line.agrees] == []
    assert story.lines[0].batch == CUSTOMERS


def test_the_first_run_reads_everything(story: Story) -> None:
    assert story.first.total("customers", "read") == CUSTOMERS
    assert story.first.total("purchases", "read") == story.purchases_before
    assert story.bookmark == story.purchases_before


def test_the_second_run_resumes_from_the_state(story: Story) -> None:
    """It reads what is new, and the row at each bookmark once more, as Singer taps do."""
    assert story.second.total("customers", "read") == CAME_BACK + 1
    assert story.second.total("purchases", "read") == CAME_BACK + 1
    assert story.second.total("purchases", "delivered") == CAME_BACK


def test_each_late_purchase_is_on_disk_with_its_reason(story: Story) -> None:
    assert story.rejects.purchases == set(range(1, story.purchases_before + 1))
    assert story.rejects.reasons == {"event_outside_window": story.purchases_before}


def test_the_documented_rates_are_never_exceeded(story: Story) -> None:
    assert story.calls_above_the_rates == 0
