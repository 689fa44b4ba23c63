"""What the checks found of a stage's table, kept beside the table in the store.

Dagster stops what comes after a failed blocking check in the same run, but a later run may begin after it. So whoever
takes a table from the store looks at its check results first, and the published manifest quotes them. A result says
which rule was applied with which arguments, to which table, beside which others: only one of the present rules, on
this very table and those that it was made of, counts. Each check has its own, for checks can be run one by one.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from brev_pipeline.errors import StoreError
from brev_pipeline.expectations import Finding, Rule
from brev_pipeline.provenance import Lineage
from brev_pipeline.stages import inputs_of
from brev_pipeline.store import Folder
from brev_pipeline.store.hashed_files import short_sha256

_FILE_NAME: Final = re.compile(r"\.checks\.(?P<time>[0-9TZ.]+)\.(?P<run>[^/]+)\.(?P<sha256>[0-9a-f]{32})\.json")
CheckRecord = dict[str, Any]
"""What is kept of one check of one table: `summarize_finding`, and which tables it was about."""


class NotValidatedError(StoreError):
    """A table may not be used: its checks failed, or never ran as they are now."""


@dataclass(frozen=True)
class CheckResultStore:
    """The check results of one pipeline's tables.

    Args:
        tables: the pipeline's ``tables`` folder.
    """

    tables: Folder

    def write(
        self,
        table: str,
        stage: str,
        findings: Sequence[Finding],
        lineage: Lineage,
        run_id: str,
        publication: int | None = None,
    ) -> str:
        """Keep what a run of checks found of a table, for programs and for people.

        Args:
            table: its name in the folder.
            stage: whose table it is.
            findings: of the checks that were run: of the whole suite, or of some.
            lineage: of the table.
            run_id: of the run that checked it.
            publication: number of the newest one at that time, which rules about history compared with; 0: none.

        Returns:
            Where the page for people lies (HTML, whole in itself).
        """
        from brev_pipeline.expectations.data_docs import keep_finding, render_stage_page

        results = json.loads(json.dumps([keep_finding(finding) for finding in findings], default=str))
        about = {"table_id": lineage[stage].id, "compared_with": _identify_inputs(stage, lineage)}
        record = {
            "checks": [
                {**summarize_finding(finding), **about, "publication": publication, "result": result}
                for finding, result in zip(findings, results, strict=True)
            ]
        }
        data = (json.dumps(record, indent=1, ensure_ascii=False, default=str) + "\n").encode()
        page = self._write_page(table.removesuffix(".parquet"), render_stage_page(stage, results))
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self.tables.create_file(f"{table}.checks.{stamp}.{run_id}.{short_sha256(data)}.json", data, exist_ok=True)
        return page

    def _write_page(self, stem: str, page: bytes) -> str:
        """Where the page lies: beside the table, behind those of earlier checks of it."""
        number = 1
        while True:
            name = f"{stem}.validation.html" if number == 1 else f"{stem}.validation.{number}.html"
            if self.tables.create_file(name, page, exist_ok=True):
                return self.tables.file_url(name)
            number += 1

    def read_newest(self, table: str) -> dict[str, CheckRecord]:
        """Check → its newest result for ``table``; empty where it was never checked.

        Raises:
            StoreError: a result is damaged.
        """
        return {entry["check"]: entry for record in self._read_records(table) for entry in record["checks"]}

    def _read_records(self, table: str) -> list[dict[str, Any]]:
        """All that was kept of a table, oldest first."""
        folder, _, name = table.rpartition("/")
        there = self.tables / folder
        named = [
            (file, _FILE_NAME.fullmatch(file.removeprefix(name)))
            for file in there.list_names()
            if file.startswith(name)
        ]
        found = sorted((parts["time"], file, parts["sha256"]) for file, parts in named if parts)
        return [_read_record(there, file, digest) for _, file, digest in found]

    def require_passed(self, table: str, stage: str, rules: Sequence[Rule], lineage: Lineage) -> list[CheckRecord]:
        """The results for a table, one per rule in the rules' order, if they let the table be used.

        Args:
            table: its name in the folder.
            stage: whose table it is.
            rules: of the stage as they are now.
            lineage: of the table.

        Raises:
            NotValidatedError: a check of severity error failed; or a rule was never applied as it is now to this
                table and those that it was made of. The message names them, and says what to do.
            StoreError: a result is damaged.
        """
        found = self.read_newest(table)
        wanted = {rule.name: _describe_expected(rule, stage, lineage) for rule in rules}
        missing = [name for name, asked in wanted.items() if name not in found or not _matches(found[name], asked)]
        if missing:
            said = (
                "never validated" if not found else f"not validated by its rules as they are now ({', '.join(missing)})"
            )
            raise NotValidatedError(
                f"{stage} ({table}) was {said}: run the checks of {stage}, or materialize it together with them, then "
                "run again"
            )
        failed = [name for name in wanted if not found[name]["passed"] and found[name]["severity"] == "error"]
        if failed:
            raise NotValidatedError(
                f"{stage} ({table}) failed its check(s) {', '.join(failed)}: mend the data and launch the whole job; "
                f"or, where a tolerance was wrong, correct `validation` and run the checks of {stage} again"
            )
        return [found[name] for name in wanted]


def summarize_finding(finding: Finding) -> CheckRecord:
    """What is kept of a finding: the rule as it was applied, and what came of it."""
    return {
        **_describe_rule(finding.rule),
        "passed": finding.passed,
        "observed": finding.observed,
        "offending": finding.offending,
        "advice": finding.advice,
    }


def _describe_rule(rule: Rule) -> CheckRecord:
    return {
        "check": rule.name,
        "says": rule.says,
        "severity": rule.severity,
        "frame": rule.frame,
        "expectation": rule.expectation,
        "arguments": json.loads(json.dumps(dict(rule.arguments))),
        "history": rule.of_history,
    }


def _identify_inputs(stage: str, lineage: Lineage) -> dict[str, str]:
    return {name: lineage[name].id for name in inputs_of(stage)}


def _describe_expected(rule: Rule, stage: str, lineage: Lineage) -> CheckRecord:
    """What a result has to hold so that it answers for a rule, a table and those that the table was compared with."""
    return {**_describe_rule(rule), "table_id": lineage[stage].id, "compared_with": _identify_inputs(stage, lineage)}


def _matches(entry: CheckRecord, asked: Mapping[str, Any]) -> bool:
    return all(entry.get(name) == value for name, value in asked.items())


def _read_record(folder: Folder, file: str, digest: str) -> dict[str, Any]:
    data = folder.read(file)
    if short_sha256(data) != digest:
        raise StoreError(
            f"{folder.file_url(file)} is damaged: its bytes are not those that it is named by; remove it, and run the "
            "checks of its stage again"
        )
    record: dict[str, Any] = json.loads(data)
    return record
