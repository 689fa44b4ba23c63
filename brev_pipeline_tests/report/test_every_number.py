"""In every configuration each number of the page is what an independent count gives, and no number stands uncounted.

Each case is a real run. Its photos, shards and Parquet files are counted again in plain Python (`recount`), the page is
read back (`claims`), and whatever it says with a digit must be claimed by an assertion (`every_number`).
"""

import re
import shutil
from pathlib import Path

import pytest

from brev_pipeline.config import PipelineConfig
from brev_pipeline.engine import SerialEngine
from brev_pipeline.orchestration.code_location import EngineResource
from brev_pipeline_tests.pipelines import run
from brev_pipeline_tests.report.cases import CASES, Case
from brev_pipeline_tests.report.recount import Recount, photos_of, recount, unlisted_of

pytest.register_assert_rewrite("brev_pipeline_tests.report.every_number", "brev_pipeline_tests.report.claims")
from brev_pipeline_tests.report.every_number import assert_every_number  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting workers would take longer than all else."""
    monkeypatch.setattr(EngineResource, "make_engine", lambda *_: SerialEngine())


def published(case: Case, folder: Path) -> tuple[bytes, Recount]:
    """The page of a case, and what should stand there."""
    before = published(case.before, folder)[1] if case.before else None
    shutil.rmtree(folder / "photos", ignore_errors=True)
    case.draw(folder)
    config = PipelineConfig.model_validate(case.settings()).with_base(folder)
    done = run(config)
    assert done.success, done.failures + ", ".join(done.failed_checks)
    checks = [
        (one.asset_key.path[-1], {"passed": one.passed, **{key: value.value for key, value in one.metadata.items()}})
        for one in done.checks
    ]
    buckets = {one.id: one.bucket for one in config.datasets}
    newest = done.store.newest_version()
    assert newest is not None
    publication, version = newest
    found = photos_of(folder, buckets, case.classes, config.listing.model_dump())
    unlisted = unlisted_of(folder, buckets, found)
    mine = recount(Path(version.path), found, checks, publication.number, unlisted, before)
    return (mine.folder / "report" / "index.html").read_bytes(), mine


@pytest.mark.parametrize(
    "case", [pytest.param(one, id=one.name, marks=[] if one.quick else [pytest.mark.slow]) for one in CASES]
)
def test_every_number_of_the_page_is_counted(case: Case, tmp_path: Path) -> None:
    assert_every_number(*published(case, tmp_path))


def test_a_number_that_is_wrong_or_that_nobody_counted_is_found(tmp_path: Path) -> None:
    page, counted = published(CASES[0], tmp_path)
    text = page.decode()
    assert_every_number(page, counted)
    numbers = [found for found in re.finditer(r">([^<>]*?)(\d+)([^<>]*?)<", text) if "style" not in found[0]]
    assert len(numbers) > 150
    # One in seven: each takes as long as reading the page.
    for found in numbers[::7]:
        wrong = str(int(found[2]) + 1)
        with pytest.raises((AssertionError, ValueError, StopIteration, ImportError)):
            assert_every_number((text[: found.start(2)] + wrong + text[found.end(2) :]).encode(), counted)
    with pytest.raises(AssertionError, match="3 more"):
        assert_every_number(text.replace("</main>", "<p>3 more</p></main>").encode(), counted)
