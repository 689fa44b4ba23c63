"""``brev-pipeline diff``: two published versions beside each other, for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from brev_pipeline.cli.changes import (
    grid,
    heading,
    show_images,
    show_labels,
    show_left_out,
    show_packages,
    show_settings,
    show_sides,
)
from brev_pipeline.cli.plan import megabytes
from brev_pipeline.diff import diff_versions
from brev_pipeline.errors import ConfigError, ReadError
from brev_pipeline.reading.find import find_version, version_in
from brev_pipeline.store import PipelineStore, Version


def folders(before: str, after: str) -> dict[str, Any]:
    """The difference of two versions' folders.

    Raises:
        ConfigError: one of them is no version's folder.
        StoreError: one of them cannot be read.
    """
    try:
        return diff_versions(version_in(before), version_in(after))
    except ReadError as error:
        raise ConfigError(f"{error}; to compare two versions of a store, name its configuration first") from error


def in_store(store: PipelineStore, ids: Sequence[str]) -> dict[str, Any]:
    """The difference of two published versions of a store.

    Args:
        store: the pipeline's.
        ids: of both, or the beginnings; with one, it is compared with the newest; with none, the newest is compared
            with the one before it.

    Raises:
        ReadError: there are no such versions.
        StoreError: they cannot be read.
    """
    before = find_version(store, ids[0]) if ids else _before_newest(store)
    return diff_versions(before, find_version(store, ids[1] if len(ids) > 1 else None))


def _before_newest(store: PipelineStore) -> Version:
    published = store.publications.all()
    if len(published) < 2:
        raise ReadError(f"{store.folder.url}: {len(published)} version(s) were published: there are no two to compare")
    return find_version(store, published[-2].version)


def is_folder(place: str) -> bool:
    """Whether an argument names a folder, and no configuration's file."""
    return "://" in place or Path(place).is_dir()


def show_diff(found: Mapping[str, Any]) -> None:
    """Print what `diff_versions` found."""
    console = Console(highlight=False)
    console.print(f"[bold]{found['before']['version']}[/] → [bold]{found['after']['version']}[/]")
    if found["same"]:
        console.print("they are the same version", style="dim")
        return
    show_settings(console, found["settings"])
    show_packages(console, found["packages"])
    show_images(console, found["images"])
    show_left_out(console, found["left_out"])
    show_sides(console, found["sides"])
    show_labels(console, found["labels"])
    _show_weights(console, found["weights"])
    records, size = found["records"], found["records"]["bytes"]
    was = f"{records['was']:,} → " if records["was"] != records["now"] else ""
    told = f"{records['kept']:,} of them the same, byte for byte"
    heading(console, "records", f"{was}{records['now']:,}, {told}; {megabytes(size['was'])} → {megabytes(size['now'])}")
    for one in found["checks"]:
        heading(console, "check", f"{one['stage']}.{one['check']}: {_check(one['was'])} → {_check(one['now'])}")


def _show_weights(console: Console, weights: Sequence[Mapping[str, Any]]) -> None:
    if not weights:
        return
    heading(console, "weights", "groups that are drawn otherwise")
    none = {"samples": 0, "probability": 0.0, "draws": 0}
    rows = [(one["purpose"], one["group"], one["was"] or none, one["now"] or none) for one in weights]
    shown = [[f"{purpose} / {group}", *(_pair(was, now, name) for name in none)] for purpose, group, was, now in rows]
    grid(console, ["group", "images", "share", "draws"], shown)


def _pair(was: Mapping[str, Any], now: Mapping[str, Any], name: str) -> str:
    told = [f"{one[name]:.1%}" if name == "probability" else f"{one[name]:,}" for one in (was, now)]
    return told[0] if told[0] == told[1] else " → ".join(told)


def _check(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return "not there"
    if "passed" not in told:
        return "compares with earlier versions"
    if told["passed"]:
        return "passed" if told.get("observed") is None else f"passed ({told['observed']:.4g})"
    return f"{told['severity']}, {told.get('offending') or told.get('observed')}"
