"""What a run did, counted from the two versions' tables with plain dictionaries; nothing of the package compares."""

from collections import Counter, defaultdict
from typing import Any

from brev_pipeline.store import Version


def images_of(version: Version | None) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Path → content and classes."""
    rows = version.read_table("listing").to_pylist() if version else []
    return {row["path"]: (row["content_id"], tuple(row["category"])) for row in rows}


def sides_of(version: Version | None) -> dict[str, str]:
    """Path → purpose, of the version's own images."""
    rows = version.read_table("assignments").to_pylist() if version else []
    return {row["path"]: row["purpose"] for row in rows if row["listed"]}


def partners(before: Version | None, after: Version) -> dict[str, str]:
    """Path now → path before, of images that are the same by path or by content."""
    was, now = images_of(before), images_of(after)
    found = {path: path for path in now if path in was}
    went: dict[str, list[str]] = defaultdict(list)
    for path in sorted(set(was) - set(now)):
        went[was[path][0]].append(path)
    for path in sorted(set(now) - set(was)):
        if went[now[path][0]]:
            found[path] = went[now[path][0]].pop(0)
    return found


def count_images(before: Version | None, after: Version) -> dict[str, Any]:
    """The same facts as `diff.ImageChanges` tells, but for its examples."""
    was, now, same = images_of(before), images_of(after), partners(before, after)
    kinds: dict[str, list[tuple[str, ...]]] = {
        "new": [now[path][1] for path in now if path not in same],
        "gone": [was[path][1] for path in was if path not in same.values()],
        "renamed": [now[path][1] for path, old in same.items() if path != old],
        "changed": [now[path][1] for path, old in same.items() if path == old and now[path][0] != was[old][0]],
        "relabelled": [now[path][1] for path, old in same.items() if now[path][1] != was[old][1]],
    }
    by_class = {kind: Counter(name for names in found for name in names) for kind, found in kinds.items()}
    by_class["was"] = Counter(name for _, names in was.values() for name in names)
    by_class["now"] = Counter(name for _, names in now.values() for name in names)
    names = sorted({*by_class["was"], *by_class["now"]})
    return {
        "was": len(was),
        "now": len(now),
        **{kind: len(found) for kind, found in kinds.items()},
        "by_class": {name: {kind: found[name] for kind, found in by_class.items() if found[name]} for name in names},
    }


def told_images(document: dict[str, Any]) -> dict[str, Any]:
    """The document's section in the form of `count_images`."""
    kept = {name: document[name] for name in ("was", "now", "new", "gone", "renamed", "changed", "relabelled")}
    rows = [dict(row) for row in document["by_class"]]
    return kept | {"by_class": {row.pop("class"): {kind: n for kind, n in row.items() if n} for row in rows}}


def count_moved(before: Version | None, after: Version) -> Counter[tuple[str, str]]:
    """Purpose before and now → images that changed sides."""
    was, now = sides_of(before), sides_of(after)
    pairs = [(was[old], now[path]) for path, old in partners(before, after).items() if path in now and old in was]
    return Counter(pair for pair in pairs if pair[0] != pair[1])


def told_moved(document: dict[str, Any]) -> Counter[tuple[str, str]]:
    """The document's section in the form of `count_moved`."""
    return Counter({(row["was"], row["now"]): row["images"] for row in document["moved"]["by_sides"]})


def count_rules(version: Version | None) -> Counter[str]:
    """Rule → images left out."""
    return Counter(version.read_table("exclusions")["rule"].to_pylist() if version else [])


def count_sides(version: Version | None) -> Counter[str]:
    """Purpose → images."""
    return Counter(sides_of(version).values())


def numbers_of(version: Version | None) -> dict[str, int]:
    """Class → its number."""
    return {name: number for number, name in enumerate(version.read_manifest()["classes"])} if version else {}
