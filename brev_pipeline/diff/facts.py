"""Facts: what two manifests say otherwise: settings, packages, label numbers, checks, what was left out."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config.differences import ABSENT, find_differences
from brev_pipeline.diff.images import SHOWN
from brev_pipeline.diff.sides import count

OF_EXCLUSIONS: Final = ["path", "rule", "reason"]


def compare_settings(before: Any, after: Any) -> list[dict[str, Any]]:
    """One entry per YAML path whose values differ: path, was, now; of a key that is not there, one of these lacks."""
    return [
        {"path": path, **({} if was is ABSENT else {"was": was}), **({} if now is ABSENT else {"now": now})}
        for path, was, now in find_differences(before, after)
    ]


def compare_packages(before: Mapping[str, str], after: Mapping[str, str]) -> list[dict[str, Any]]:
    """One entry per package of another version: name, was, now; None where it was not told."""
    return [
        {"name": name, "was": before.get(name), "now": after.get(name)}
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def compare_code(
    before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]
) -> list[dict[str, Any]]:
    """One entry per stage whose own code is another: stage, was, now (its number; None where it was not told).

    Args:
        before: stage → what `provenance.code_of` said. Its packages are not compared here: see `compare_packages`.
        after: the same.
    """
    numbers = [{stage: code.get("code") for stage, code in stages.items()} for stages in (before, after)]
    return [
        {"stage": stage, "was": numbers[0].get(stage), "now": numbers[1].get(stage)}
        for stage in dict.fromkeys([*numbers[0], *numbers[1]])
        if numbers[0].get(stage) != numbers[1].get(stage)
    ]


def compare_labels(before: Sequence[str], after: Sequence[str]) -> dict[str, Any]:
    """The label maps: ``classes`` as they are now, and ``changed``: class, was, now (None: it has no number)."""
    numbers = [{name: number for number, name in enumerate(classes)} for classes in (before, after)]
    names = list(dict.fromkeys([*before, *after]))
    changed = [
        {"class": name, "was": numbers[0].get(name), "now": numbers[1].get(name)}
        for name in names
        if numbers[0].get(name) != numbers[1].get(name)
    ]
    return {"classes": list(after), "changed": changed}


def compare_checks(
    before: Mapping[str, Sequence[Mapping[str, Any]]], after: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[dict[str, Any]]:
    """One entry per check that says or found something else: stage, check, was, now (None: there was no such check).

    Of a check about history a manifest tells no outcome: only what it demands is compared.
    """
    was, now = (
        {(stage, one["check"]): _told(one) for stage, checks in found.items() for one in checks}
        for found in (before, after)
    )
    return [
        {"stage": key[0], "check": key[1], "was": was.get(key), "now": now.get(key)}
        for key in dict.fromkeys([*was, *now])
        if was.get(key) != now.get(key)
    ]


def _told(check: Mapping[str, Any]) -> dict[str, Any]:
    return {name: check[name] for name in ("passed", "severity", "observed", "offending", "arguments") if name in check}


def compare_exclusions(before: pa.Table, after: pa.Table) -> list[dict[str, Any]]:
    """What was left out, by rule: rule, was, now, new (images that were not left out by it), examples of the new ones.

    Args:
        before: columns `OF_EXCLUSIONS`.
        after: the same.
    """
    counts = [count(table["rule"]) for table in (before, after)]
    found = []
    for rule in sorted({*counts[0], *counts[1]}):
        old = before.filter(pc.equal(before["rule"], rule))["path"]
        own = after.filter(pc.equal(after["rule"], rule))
        fresh = own.filter(pc.invert(pc.is_in(own["path"], value_set=old)))
        examples = fresh.sort_by("path").slice(0, SHOWN).select(["path", "reason"]).to_pylist()
        entry = {"rule": rule, "was": counts[0].get(rule, 0), "now": counts[1].get(rule, 0), "new": fresh.num_rows}
        found.append(entry | {"examples": examples})
    return found
