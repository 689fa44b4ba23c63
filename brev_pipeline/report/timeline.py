"""When the images were last changed: bars by day, month or year."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

_MOST: Final = 48  # bars


@dataclass(frozen=True)
class Timeline:
    """Bars, the oldest first, without gaps."""

    unit: str
    """day, month or year."""
    bars: list[tuple[str, int]]
    """Date and images."""

    @property
    def highest(self) -> int:
        """Images of the highest bar."""
        return max(count for _, count in self.bars)

    @property
    def words(self) -> str:
        """All of it as a text."""
        return "; ".join(f"{date}: {count:,}" for date, count in self.bars if count)


def timeline(listing: pa.Table) -> Timeline | None:
    """Bars by the finest unit that fits; None where dates are unknown or all fall into one or two bars."""
    if "modified" not in listing.column_names or not listing.num_rows:
        return None
    for unit, form in (("day", "%Y-%m-%d"), ("month", "%Y-%m"), ("year", "%Y")):
        floors = pc.floor_temporal(listing["modified"], unit=unit)
        counts = {row["values"]: row["counts"] for row in pc.value_counts(floors).to_pylist()}
        steps = _steps(min(counts), max(counts), unit)
        if len(steps) <= _MOST:
            bars = [(f"{step:{form}}", counts.get(step, 0)) for step in steps]
            return Timeline(unit, bars) if len(bars) > 2 else None
    return None


def _steps(first: datetime, last: datetime, unit: str) -> list[datetime]:
    """Every beginning of a unit from the first to the last; a few more than can be shown are enough."""
    steps = [first]
    while steps[-1] < last and len(steps) <= _MOST:
        steps.append(_next(steps[-1], unit))
    return steps


def _next(step: datetime, unit: str) -> datetime:
    if unit == "day":
        return step + timedelta(days=1)
    months = step.month if unit == "month" else 12
    return step.replace(year=step.year + months // 12, month=months % 12 + 1)
