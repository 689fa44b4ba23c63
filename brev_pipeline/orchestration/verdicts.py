"""What the checks said of a stage's table, kept beside the table in the store.

Dagster stops what comes after a failed blocking check in the same run, but a later run may begin after it. So
whoever takes a table from the store looks at its verdict first, and the published manifest quotes it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from brev_pipeline.errors import StoreError
from brev_pipeline.expectations import Finding
from brev_pipeline.store import Folder


class NotValidatedError(StoreError):
    """A table may not be used: its checks failed, or never ran."""


@dataclass(frozen=True)
class Verdicts:
    """The verdicts on the tables of one pipeline.

    Args:
        tables: the pipeline's ``tables`` folder.
    """

    tables: Folder

    def write(self, table: str, findings: Sequence[Finding], run_id: str) -> str:
        """Keep what a run of the checks found of ``table`` (its name in the folder), for programs and for people.

        Returns:
            Where the page for people lies (HTML, whole in itself).
        """
        from brev_pipeline.expectations.data_docs import kept, stage_page

        results = json.loads(json.dumps([kept(finding) for finding in findings], default=str))
        record = {
            "checked_at": datetime.now(UTC).isoformat(),
            "run_id": run_id,
            "checks": [summary(finding) for finding in findings],
            "results": results,
        }
        data = (json.dumps(record, indent=1, ensure_ascii=False, default=str) + "\n").encode()
        stage = table.rpartition("/")[2].partition(".")[0]
        page = self._write_page(table.removesuffix(".parquet"), stage_page(stage, results))
        # A retry in the same run may find the same again.
        self.tables.create(f"{table}.checks.{run_id}.{record['checked_at']}.json", data, exist_ok=True)
        return page

    def _write_page(self, stem: str, page: bytes) -> str:
        """Where the page lies: beside the table, behind those of earlier checks of it."""
        number = 1
        while True:
            name = f"{stem}.validation.html" if number == 1 else f"{stem}.validation.{number}.html"
            if self.tables.create(name, page, exist_ok=True):
                return self.tables.place(name)
            number += 1

    def of(self, table: str) -> list[dict[str, Any]]:
        """The newest verdict on ``table``: one entry per check; empty where it was never checked."""
        return list(self._newest(table).get("checks", []))

    def results(self, table: str) -> list[dict[str, Any]]:
        """The newest verdict in full, as the Data Docs want it; empty where ``table`` was never checked."""
        return list(self._newest(table).get("results", []))

    def _newest(self, table: str) -> dict[str, Any]:
        folder, _, name = table.rpartition("/")
        there = self.tables / folder
        files = [file for file in there.names() if file.startswith(f"{name}.checks.") and file.endswith(".json")]
        found: list[dict[str, Any]] = [json.loads(there.read(file)) for file in files]
        return max(found, key=lambda record: str(record["checked_at"]), default={})

    def require(self, table: str, stage: str) -> list[dict[str, Any]]:
        """The newest verdict on ``table`` if it lets the table be used.

        Raises:
            NotValidatedError: a check of severity error failed, or no check ran; the message names them.
        """
        checks = self.of(table)
        if not checks:
            raise NotValidatedError(
                f"{stage} ({table}) was never validated: materialize {stage} together with its checks, then run again"
            )
        failed = [check["check"] for check in checks if not check["passed"] and check["severity"] == "error"]
        if failed:
            raise NotValidatedError(
                f"{stage} ({table}) failed its check(s) {', '.join(failed)}: mend the data or the tolerances, "
                f"materialize {stage} again, then what comes after it"
            )
        return checks


def summary(finding: Finding) -> dict[str, Any]:
    """What a verdict keeps of a finding."""
    return {
        "check": finding.rule.name,
        "says": finding.rule.says,
        "severity": finding.rule.severity,
        "arguments": dict(finding.rule.arguments),
        "passed": finding.passed,
        "observed": finding.observed,
        "offending": finding.offending,
    }


_OF_HISTORY = {"raw_listing.not_shrunk", "sample_split.ledger_kept", "sample_split.locks_kept"}


def without_history(stage: str, checks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the manifest keeps of a verdict: of rules about history not what was observed."""
    told = ("passed", "observed", "offending")
    return [
        {**{name: value for name, value in check.items() if name not in told}, "history": True}
        if f"{stage}.{check['check']}" in _OF_HISTORY
        else check
        for check in checks
    ]
