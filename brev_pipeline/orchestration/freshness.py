"""Freshness: after how long without a run an asset counts as late, from the pipeline's schedule."""

from datetime import timedelta

import dagster as dg

from brev_pipeline.config.cron import longest_gap
from brev_pipeline.config.models import ScheduleSettings


def freshness_policy(schedule: ScheduleSettings) -> dg.FreshnessPolicy | None:
    """Warns when one run of the schedule is overdue, fails when a second one is; None where the schedule is off.

    The longest time between two ticks counts, so that the weekend of a schedule for working days is not late.
    On top comes the time that a run may take longer than the one before: a tenth of that, at least a quarter of an
    hour, and an hour (that of daylight saving) where the ticks are that far apart.
    """
    if not schedule.enabled:
        return None
    gap = longest_gap(schedule.cron)
    slack = max(gap / 10, min(gap, timedelta(hours=1)), timedelta(minutes=15))
    return dg.FreshnessPolicy.time_window(fail_window=2 * gap + slack, warn_window=gap + slack)
