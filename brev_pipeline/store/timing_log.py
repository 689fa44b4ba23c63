"""The pace of runs: how long each stage and its checks took, and for how much work; what `plan` reckons with.

One small file per stage in the folder of the run's tables, written once (a retry that comes to its end later changes
nothing) and removed together with them by `gc`. It tells of clocks, so nothing of it goes into a version.
"""

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from brev_pipeline.errors import StoreError
from brev_pipeline.store.file_entries import list_entries
from brev_pipeline.store.folder import Folder
from brev_pipeline.store.hashed_files import short_sha256

_NAME: Final = re.compile(r"(?P<run>[^/]+)/(?P<step>\w+(?:\.checks)?)\.pace\.json")
RUNS: Final = 20
"""Newest paces of a step that are looked at."""


@dataclass(frozen=True)
class StepTiming:
    """How long a step of a run took."""

    run: str
    """Dagster's id of the run."""
    seconds: float
    """Wall seconds."""
    rows: int
    """Of the stage's table; 0 for the published version."""
    work: int
    """What the time was spent on: images decoded, records made anew; rows where a stage has no other measure."""


@dataclass(frozen=True)
class TimingLog:
    """The paces of one pipeline's runs, in its ``tables`` folder."""

    tables: Folder

    def record_timing(self, step: str, pace: StepTiming) -> None:
        """Keep the pace of a step: a stage, or ``<stage>.checks``. Raises `StoreError`: the store cannot be written."""
        figures = {"seconds": round(pace.seconds, 3), "rows": pace.rows, "work": pace.work}
        data = (json.dumps({**figures, "sha256": _digest(figures)}) + "\n").encode()
        self.tables.create_file(f"{pace.run}/{step}.pace.json", data, exist_ok=True)

    def read_timings(self) -> dict[str, list[StepTiming]]:
        """Step → its paces of the newest `RUNS` runs that have one, the newest first; damaged ones are passed over.

        Raises:
            StoreError: the store cannot be reached just now.
        """
        # By the time of writing: ids of runs have no order.
        entries = sorted(list_entries(self.tables), key=lambda entry: (entry.written, entry.name), reverse=True)
        paces: dict[str, list[StepTiming]] = {}
        for entry in entries:
            parts = _NAME.fullmatch(entry.name)
            if parts is None or len(of_step := paces.setdefault(parts["step"], [])) >= RUNS:
                continue
            with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, StoreError):
                raw = json.loads(self.tables.read(entry.name))
                if raw.pop("sha256") == _digest(raw):
                    seconds, rows, work = float(raw["seconds"]), int(raw["rows"]), int(raw["work"])
                    of_step.append(StepTiming(parts["run"], seconds, rows, work))
        return paces


def _digest(figures: Mapping[str, float]) -> str:
    """By which a damaged file is known."""
    return short_sha256(json.dumps(figures, sort_keys=True).encode())
