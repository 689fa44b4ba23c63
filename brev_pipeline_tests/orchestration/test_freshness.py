"""How long an asset is fresh follows from the schedule."""

from datetime import timedelta
from pathlib import Path

import pytest

from brev_pipeline.config.cron import longest_gap
from brev_pipeline.config.models import ScheduleSettings
from brev_pipeline.orchestration.build import pipeline_definitions
from brev_pipeline.orchestration.freshness import freshness_policy
from brev_pipeline_tests.pipelines import configure


@pytest.mark.parametrize(
    ("cron", "hours"),
    [
        ("* * * * *", 1 / 60),
        ("0 3 * * *", 24),
        ("0 3 * * 1-5", 72),
        ("*/15 8-18 * * mon-fri", 61.25),
        ("0 */6 * * *", 6),
        ("0 0 1 * *", 31 * 24),
        ("30 4 1,15 * 5", 7 * 24),
        ("0 3 * * 7", 7 * 24),
        ("0 0 29 2 *", 1461 * 24),
        ("5/20 * * * *", 1 / 3),
    ],
)
def test_the_longest_gap_of_a_cron(cron: str, hours: float) -> None:
    assert longest_gap(cron) == timedelta(hours=hours)


def test_one_missed_run_warns_and_two_fail() -> None:
    policy = freshness_policy(ScheduleSettings(cron="0 3 * * *", enabled=True))
    assert policy.warn_window.to_timedelta() == timedelta(hours=26.4)
    assert policy.fail_window.to_timedelta() == timedelta(hours=50.4)


@pytest.mark.parametrize("enabled", [True, False])
def test_every_asset_has_the_policy_where_the_schedule_is_on(tmp_path: Path, enabled: bool) -> None:
    definitions = pipeline_definitions(configure(tmp_path, schedule={"cron": "* * * * *", "enabled": enabled}))
    assert [spec.freshness_policy is not None for spec in definitions.resolve_all_asset_specs()] == [enabled] * 7
