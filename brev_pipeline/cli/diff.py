"""``brev-pipeline diff``: two published versions beside each other, for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from brev_pipeline.cli.change_report import (
    format_counts,
    print_grid,
    print_section,
    show_images,
    show_labels,
    show_left_out,
    show_provenance,
    show_purposes,
)
from brev_pipeline.cli.plan import format_bytes
from brev_pipeline.config import PipelineConfig
from brev_pipeline.config.differences import ABSENT, find_differences
from brev_pipeline.diff import compare_versions
from brev_pipeline.errors import ConfigError, ReadError
from brev_pipeline.readers.find_version import find_version, open_version_folder
from brev_pipeline.store import PipelineStore

_ARROW: Final = " → "


def compare_folders(before: str, after: str) -> dict[str, Any]:
    """The difference of two versions' folders.

    Raises:
        ConfigError: one of them is no version's folder.
        StoreError: one of them cannot be read.
    """
    try:
        return compare_versions(open_version_folder(before), open_version_folder(after))
    except ReadError as error:
        raise ConfigError(f"{error}; to compare two versions of a store, name its configuration first") from error


def compare_in_store(config: PipelineConfig, ids: Sequence[str]) -> dict[str, Any]:
    """The difference of two published versions of a pipeline's store.

    Args:
        config: the pipeline's.
        ids: of both, or the beginnings; with one, it is compared with the newest; with none, the newest is compared
            with the one before it.

    Raises:
        ReadError: there are no such versions.
        StoreError: they cannot be read.
    """
    if "" in ids:
        raise ReadError("the id of a version is empty; `brev-pipeline versions` lists them")
    store = PipelineStore.from_config(config)
    published = [] if ids else store.publications.read_all()
    if not ids and len(published) < 2:
        raise ReadError(f"{store.folder.url}: {len(published)} version(s) were published: there are no two to compare")
    before = find_version(store, ids[0] if ids else published[-2].version)
    return compare_versions(before, find_version(store, ids[1] if len(ids) > 1 else None))


def is_folder(place: str) -> bool:
    """Whether an argument names a folder, and no configuration's file."""
    return "://" in place or Path(place).is_dir()


def show_diff(found: Mapping[str, Any]) -> None:
    """Print what `compare_versions` found."""
    console = Console(highlight=False)
    console.print(f"[bold]{found['before']['version']}[/] → [bold]{found['after']['version']}[/]")
    if found["same"]:
        console.print("they are the same version", style="dim")
        return
    show_provenance(console, found)
    show_images(console, found["images"])
    show_left_out(console, found["left_out"])
    show_purposes(console, found["sides"])
    show_labels(console, found["labels"])
    _show_weights(console, found["weights"])
    records, size = found["records"], found["records"]["bytes"]
    kept = f"{records['kept']:,} of them the same, byte for byte"
    sizes = f"{format_bytes(size['was'])} → {format_bytes(size['now'])}"
    print_section(console, "records", f"{format_counts(records)}, {kept}; {sizes}")
    for one in found["checks"]:
        print_section(console, "check", f"{one['stage']}.{one['check']}: {_describe_check(one)}")


def _show_weights(console: Console, weights: Sequence[Mapping[str, Any]]) -> None:
    """Groups of the purposes that are weighed: of the others each image is drawn once, as the sides tell."""
    none = {"samples": 0, "probability": 0.0, "draws": 0}
    rows = [(one["purpose"], one["group"], one["was"] or none, one["now"] or none) for one in weights]
    weighed = {purpose for purpose, _, *both in rows if any(one["draws"] != one["samples"] for one in both)}
    told = [
        [f"{purpose} / {group}", *(_format_pair(was, now, name) for name in none)]
        for purpose, group, was, now in rows
        if purpose in weighed
    ]
    # What differs by less than the digits that are shown would look the same.
    shown = [row for row in told if any(_ARROW in text for text in row[1:])]
    if shown:
        print_section(console, "weights", "groups that are drawn otherwise")
        print_grid(console, shown, head=["group", "images", "share", "draws"], right=(1, 2, 3))


def _format_pair(was: Mapping[str, Any], now: Mapping[str, Any], name: str) -> str:
    told = [f"{one[name]:.1%}" if name == "probability" else f"{one[name]:,}" for one in (was, now)]
    return told[0] if told[0] == told[1] else _ARROW.join(told)


def _describe_check(one: Mapping[str, Any]) -> str:
    """What a check says otherwise: its outcome, what it observed, or what it demands."""
    was, now = one["was"], one["now"]
    if was is None or now is None:
        return "is new" if was is None else "is no more"
    parts = []
    if "passed" in was and "passed" in now and was["passed"] != now["passed"]:
        parts = ["failed → passed" if now["passed"] else "passed → failed"]
    for path, old, new in find_differences(was, now):
        if path not in ("passed", "offending"):
            parts.append(f"{path}: {_format_value(old)} → {_format_value(new)}")
    return "; ".join(parts)


def _format_value(value: Any) -> str:
    if value is ABSENT:
        return "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
