"""Progress counts what tasks hold, and is told in words, with rate and time left."""

import logging

import pytest

from brev_pipeline.engine import Counted, LocalEngine, Progress, SerialEngine
from brev_pipeline.engine.progress import LOG_SECONDS, create_log_reporter, describe_progress


def lengths(task: tuple[int, ...]) -> int:
    return len(task)


@pytest.mark.parametrize("engine", [SerialEngine, LocalEngine])
def test_progress_counts_what_the_tasks_hold(engine: type) -> None:
    heard: list[Progress] = []
    tasks = Counted([(1,) * size for size in (5, 1, 4)], len, 10, "images")
    list(engine(on_progress=heard.append, progress_seconds=0).map(lengths, tasks, label="prepare"))
    assert (heard[-1].done, heard[-1].total, heard[-1].unit, heard[-1].ended) == (10, 10, "images", True)
    assert [progress.ended for progress in heard[:-1]] == [False] * (len(heard) - 1)


def test_tasks_that_are_not_counted_count_one_each() -> None:
    heard: list[Progress] = []
    list(SerialEngine(on_progress=heard.append).map(lengths, [(1, 1), ()]))
    assert (heard[-1].done, heard[-1].total, heard[-1].unit) == (2, 2, "tasks")


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (Progress("prepare", 12300, 40000, 15.15, "images"), "prepare: 12,300 of 40,000 images, 812/s, 34 s left"),
        (Progress("prepare", 0, 40000, 5.0, "images"), "prepare: 0 of 40,000 images, 0.0/s"),
        (Progress("prepare", 10, 40000, 5.0, "images"), "prepare: 10 of 40,000 images, 2.0/s, 5 h 33 min left"),
        (Progress("list", 90000, None, 9.0, "objects"), "list: 90,000 objects so far, 10,000/s"),
        (Progress("prepare", 40000, 40000, 49.0, "images", True), "prepare: 40,000 images in 49 s, 816/s"),
        (Progress("prepare", 3, 3, 0.01, "images", True), "prepare: 3 images in 0.0 s"),
        (Progress("prepare", 0, 0, 0.0, "images", True), "prepare: nothing left to do"),
    ],
)
def test_progress_in_words(progress: Progress, said: str) -> None:
    assert describe_progress(progress) == said


def test_a_log_hears_of_long_work_every_few_seconds_and_of_short_work_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("brev_pipeline.engine.progress.time.monotonic", lambda: now[0])
    with caplog.at_level(logging.INFO):
        reporter = create_log_reporter(logging.getLogger("brev_pipeline.test"), "list", "objects", 100)
        for _ in range(20):
            now[0] += 1.0
            reporter.add_count(5)
    assert len(caplog.messages) == 20 // LOG_SECONDS
    assert caplog.messages[0] == "list: 25 of 100 objects, 5.0/s, 15 s left"
