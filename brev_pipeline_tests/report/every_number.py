"""What each section of a page must say of a recounted version; whoever reads it here claims it.

The words are only those that a number stands beside: enough to know which number it is.
"""

import hashlib
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta
from importlib import metadata
from typing import Any, Final

import yaml

from brev_pipeline.augmentation import AugmentationSettings, ImageAugmenter
from brev_pipeline.charts.preview.describe import describe_augmentation
from brev_pipeline_tests.report.claims import Node, PageOfClaims, says, table
from brev_pipeline_tests.report.recount import Photo, Recount


def pct(part: float, whole: float = 1) -> str:
    """A share as the page writes it."""
    return f"{part / whole:.1%}".replace(".0%", "%")


def n(count: int, one: str, many: str = "") -> str:
    """1 image, 2 images, no images."""
    return f"{count or 'no'} {one if count == 1 else many or one + 's'}"


def bytes_of(count: float) -> str:
    """5.9 kB."""
    unit = 0
    while count >= 1000:
        count, unit = count / 1000, unit + 1
    return (
        f"{count:.0f} {('bytes', 'kB', 'MB')[unit]}"
        if not unit or count >= 100
        else f"{count:.1f} {('', 'kB', 'MB')[unit]}"
    )


def listed(parts: list[str]) -> str:
    """a, b and c."""
    parts = [*parts[:6], f"{len(parts) - 6} more"] if len(parts) > 6 else parts
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def by_size(counts: "Counter[Any]") -> list[tuple[Any, int]]:
    """The most frequent first, then by name."""
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


def short(version: Recount, path: str) -> str:
    """A path as it is shown: without the bucket where there is only one."""
    buckets = {row["bucket"].rstrip("/") for row in version.config["datasets"]}
    return path.removeprefix(f"{buckets.pop()}/") if len(buckets) == 1 else path


def assert_every_number(page: bytes, version: Recount) -> PageOfClaims:
    """Demand that a page says of a version what was counted, and no number besides."""
    read = PageOfClaims(page)
    for part in (
        head,
        found,
        not_listed,
        copies,
        quarantine,
        split,
        labels,
        drawing,
        sheets,
        checks,
        changes,
        left_out,
        provenance,
    ):
        part(read, version)
    assert read.unclaimed() == []
    return read


def lead(section: Node) -> Node:
    """The sentence that opens a section."""
    return section.one("p", "lead")


def head(page: PageOfClaims, v: Recount) -> None:
    """Title, verdict, figures, and who has how much."""
    name, version = v.manifest["pipeline"], v.folder.name
    says(page.root.one("title"), version) if not re.search(r"\d", name) else page.root.one("title").claim()
    hero = page.root.one("header", "hero")
    assert hero.one("h1").claim() == f"{name} {version}"
    says(hero.one("p", "eyebrow"), f"publication {v.number}")
    passed = [told["passed"] for _, told in v.checks]
    warned = sum(not told["passed"] for _, told in v.checks)
    big, small = hero.one("div", "verdict").all("p")
    says(big, *([n(warned, "warning")] if warned else []))
    says(small, f"{sum(passed)} of {len(passed)} checks passed")
    assert ("Do not train" in small.text, "good" in hero.attributes["class"]) == (False, not warned)
    figures = {one.one("dt").claim(): one.one("dd").claim() for one in hero.one("dl").all("div")}
    used = v.recorded
    classes = {name for path in used for name in v.found[path].classes}
    assert figures == {
        "images found" if len(v.found) != 1 else "image found": str(len(v.found)),
        "images used" if len(used) != 1 else "image used": str(len(used)),
        "classes used" if len(classes) != 1 else "class used": str(len(classes)),
        "checks passed": f"{sum(passed)} / {len(passed)}",
    }
    images = v.counted("images")
    assert [one.claim() for one in hero.one("ul").all("li")] == [
        f"{one} {n(images[one], 'image')} {pct(images[one], max(1, images.total()))}, {_records_of(v, one)}"
        for one in v.purposes
    ]
    says(page.root.one("footer"), metadata.version("brev-pipeline"), version)


def _records_of(v: Recount, purpose: str) -> str:
    mine = Counter(row["augmented"] for row in v.records if row["purpose"] == purpose)
    if purpose.startswith("fold"):
        return f"{n(mine[False], 'record')} as they are, {mine[True]} augmented"
    return n(mine.total(), "record")


def found(page: PageOfClaims, v: Recount) -> None:
    """What was found: sentence, datasets, classes, kinds of files, dates."""
    section, here = page.section("found"), v.listed
    contents = {one.md5: one for one in reversed(here)}
    classes = Counter(name for one in here for name in one.classes)
    datasets = {row["id"]: row for row in v.config["datasets"] if any(one.dataset == row["id"] for one in here)}
    unread = len(v.found) - len(here)
    says(
        lead(section),
        n(len(v.found), "image"),
        n(len(datasets), "dataset"),
        *([f"{unread} of them", f"other {len(here)}: "] if unread else []),
        n(len(classes), "class", "classes"),
        bytes_of(sum(one.size for one in here)),
        *([f"{len(contents)} differ in content"] if len(contents) < len(here) else []),
    )
    rows = [
        [
            f"{row['name']} {row['bucket']}"
            + (f" documented: {row['reference']}" if row["reference"] != "N/A" else ""),
            str(len(mine)),
            bytes_of(sum(one.size for one in mine)),
            bytes_of(max(one.size for one in mine)),
            listed([f"{count} {kind}" for kind, count in _formats(mine)]),
            " to ".join(sorted({min(one.day for one in mine), max(one.day for one in mine)})),
        ]
        for name, row in sorted(datasets.items())
        if (mine := [one for one in here if one.dataset == name])
    ]
    assert table(section, "Datasets") == [
        ["Dataset", "Images", "Bytes", "Largest file", "Formats", "Last changed"],
        *rows,
    ]
    columns = sorted(datasets) if 1 < len(datasets) <= 6 else []
    ordered = by_size(classes)
    assert table(section, "Images by class") == [
        ["Class", "Images", "Share", *[datasets[one]["name"] for one in columns], ""],
        *[
            [
                name,
                str(count),
                pct(count, len(here)),
                *[str(sum(one.dataset == own and name in one.classes for one in here)) for own in columns],
                "",
            ]
            for name, count in ordered[:60]
        ],
    ]
    kinds = Counter((one.format, one.shape, one.channels) for one in contents.values() if one.shape is not None)
    shown = table(section, "Kinds of files, copies counted once") or []
    assert sorted(shown[1:]) == sorted(
        [kind, f"{shape[0]} × {shape[1]} px", str(channels[0]), str(channels[1]), str(count)]
        for (kind, shape, channels), count in kinds.items()
        if shape and channels
    )
    _more(section, ("classes", max(0, len(ordered) - 60)))
    _timeline(section, Counter(one.day for one in here))


def not_listed(page: PageOfClaims, v: Recount) -> None:
    """Other files by ending and reason, and what each configured name matches."""
    section, settings = page.section("found"), v.config["listing"]
    rows = table(section, "Files that are not listed") or [[]]
    told = {(ending, reason): int(count) for ending, reason, count in rows[1:]}
    assert len(told) == len(v.unlisted)
    for (ending, why), count in v.unlisted.items():
        assert [files for (name, reason), files in told.items() if name == ending and why in reason] == [count]
    leaves = Counter(photo.path.split("/")[-2] for photo in v.found.values())
    every = Counter(name for photo in v.found.values() for name in photo.all_classes)
    wanted = {("listing.class_mapping", name): leaves[name] for name in settings["class_mapping"]}
    wanted |= {("listing.classes", name): every[name] for name in settings["classes"] or []}
    rows = table(section, "Images by configured name") or [[]]
    assert {(setting, name): int(images) for name, setting, images, _ in rows[1:]} == wanted
    assert all(bool(closest) == (images == "0") for _, _, images, closest in rows[1:])
    twins = [one.claim() for one in section.all("ul", "rows") for one in one.all("li")]
    for told_of in twins:
        pairs = re.findall(r"(\S+) \((\d+)\)", told_of)
        assert len(pairs) == 2
        assert all(every[name] == int(count) for name, count in pairs)
    folded = Counter(unicodedata.normalize("NFC", name).casefold() for name in every)
    assert len(twins) == sum(count - 1 for count in folded.values())


def labels(page: PageOfClaims, v: Recount) -> None:
    """Which number stands for which class, and what has it."""
    section, names = page.section("labels"), v.manifest["classes"]
    old = v.before.manifest["classes"] if v.before else []
    assert names[: len(old)] == old
    images = Counter(name for row in v.assigned.values() for name in row["category"])
    folds = v.config["split"]["folds"]
    held = Counter(
        (row["label"], f"{row['purpose']}_augmented" if folds and row["augmented"] else row["purpose"])
        for row in v.records
    )
    parts = [part for one in v.purposes for part in (one, f"{one}_augmented")]
    rows = []
    for number, name in enumerate(names):
        mine = [f"{held[number, part]} {part}" for part in parts if held[number, part]]
        records = " and ".join(filter(None, [", ".join(mine[:-1]), *mine[-1:]])) or "none"
        note = "" if images[name] else "no image any more"
        note = "new" if images[name] and v.before and name not in old else note
        rows.append([str(number), f"{name} records: {records}", str(images[name]), note])
    shown = table(section, "Labels") or []
    assert shown[1:] == rows
    new = [name for name in names if v.before and name not in old and images[name]]
    gone = [name for name in names if not images[name]]
    said = [n(len(names), "class has a number", "classes have a number each")]
    said += [f"version {v.before.folder.name}", *([listed(new)] if new else [])] if v.before else []
    says(lead(section), *said, *([listed(gone)] if gone else []))


def _formats(photos: list[Photo]) -> list[tuple[str, int]]:
    return by_size(Counter(one.format if one.shape else "unknown" for one in photos))


def _timeline(section: Node, days: "Counter[str]") -> None:
    first, last = date.fromisoformat(min(days)), date.fromisoformat(max(days))
    every = [str(first + timedelta(one)) for one in range((last - first).days + 1)]
    figures = section.all("figure", "timeline")
    if len(every) < 3:
        assert not figures
        return
    (figure,) = figures
    told = "; ".join(f"{day}: {days[day]}" for day in every if days[day])
    (bars,) = figure.all("div", "columns")
    assert bars.attributes["aria-label"].endswith(told)
    assert [bar.attributes["title"] for bar in bars.all("span")] == [f"{day}: {days[day]}" for day in every]
    bars.claimed = True
    caption = figure.one("figcaption").claim()
    assert caption == f"{every[0]} {n(max(days.values()), 'image')} in the fullest day {every[-1]}"


def copies(page: PageOfClaims, v: Recount) -> None:
    """Pictures that exist more than once."""
    section, groups = page.section("copies"), v.alike()
    clash = [one for one in groups if len({photo.classes for photo in one}) > 1]
    same = [one for one in groups if one not in clash]
    said = []
    for of in (same, clash):
        if of:
            used = sum(photo.path in v.recorded for one in of for photo in one)
            images = sum(map(len, of))
            kept = "all of them" if used == images else f"{used} of them" if used else "none of them"
            said += [n(len(of), "picture"), f"({images} images, {kept}"]
    says(lead(section), *said)
    shown = clash[:12] + same[:12]
    cards = section.all("li", "card")
    assert len(cards) == len(shown)
    for card, group in zip(cards, shown, strict=True):
        kind = "the same file" if len({one.md5 for one in group}) == 1 else "the same pixels in different files"
        assert card.one("p", "cardhead").claim() == f"{len(group)} images · {kind}"
        told = [figure.one("figcaption").claim() for figure in card.all("figure")]
        assert told == [_member(v, photo) for photo in group[:6]]
        _claim_pictures(card)
        says_more = [f"and {len(group) - 6} more"] if len(group) > 6 else []
        assert [one.claim() for one in card.all("p", "more")] == says_more


def _member(v: Recount, photo: Photo) -> str:
    return f"{', '.join(photo.classes)} {short(v, photo.path)} {_fate(v, photo.path)}"


WORDS: Final = {
    "quarantined": "the file could not be used",
    "label_conflict": "it stands under two classes at once",
    "duplicate": "it is a copy of one that is used",
    "class_filter": "it is of a class that is not wanted",
    "link_outside": "it is a link to outside of the dataset",
    "object_too_large": "it is larger than allowed, and was not read",
    "not_drawn": "it was not drawn this time",
}
BRIEFLY: Final = {
    "quarantined": "unusable",
    "label_conflict": "under two classes",
    "duplicate": "a copy",
    "class_filter": "class not wanted",
    "link_outside": "a link to outside",
    "object_too_large": "too large",
    "not_drawn": "not drawn",
}


def _fate(v: Recount, path: str) -> str:
    rule, row = v.rules.get(path, ""), v.assigned.get(path)
    left = f"left out: {WORDS[rule]}" if rule else ""
    return ", but ".join(filter(None, [row["purpose"] if row else "", left]))


def _claim_pictures(within: Node) -> None:
    """Pictures are named by the paths, classes and augmentations that stand beside them as text."""
    for picture in within.all("img"):
        picture.claimed = True


def quarantine(page: PageOfClaims, v: Recount) -> None:
    """Files that could not be used."""
    section, here = page.section("quarantine"), v.listed
    contents = {one.md5: one for one in reversed(here)}
    bad = [one for one in here if not one.pixels]
    files = sorted({one.md5: one for one in reversed(bad)}.values(), key=lambda one: one.path)
    most = v.config["validation"]["prepared_images"]["max_quarantined"]
    if not bad:
        says(lead(section), *([n(len(here), "image")] if len(here) > 1 else []))
    else:
        differ = [f"{n(len(files), 'file')} of {len(contents)} that differ"] if len(contents) < len(here) else []
        says(
            lead(section),
            f"{n(len(bad), 'image')} of {len(here)}",
            *differ,
            f"({len(files)} × damaged file)",
            pct(len(files), len(contents)),
            f"up to {pct(most)}",
        )
    rows = table(section, "Images that could not be used") or [[]]
    assert len(rows) == 1 + len(files)
    for (image, wrong), file in zip(rows[1:], files, strict=True):
        others = sum(one.md5 == file.md5 for one in bad) - 1
        size = f"{file.format}, {file.shape[0]} × {file.shape[1]} px" if file.shape else "unknown"
        copies_of = f" and {n(others, 'copy', 'copies')} of it" if others else ""
        assert image == f"{short(v, file.path)} {size}{copies_of}"
        assert wrong.startswith("Damaged file ")


def split(page: PageOfClaims, v: Recount) -> None:
    """Strata by purpose, the rule, the proof, the largest groups."""
    section, rows, settings = page.section("split"), list(v.assigned.values()), v.config["split"]
    images = v.counted("images")
    says(
        lead(section),
        n(len(rows), "image"),
        *[f"{images[one]} for {one}" for one in v.purposes[:6]],
        *_rest(v.purposes),
    )
    wanted = dict(settings["purposes"])
    left = max(0.0, 1 - sum(wanted.values()))
    folds = [f"fold{number}" for number in range(settings["folds"] or 0)]
    wanted |= {one: left / len(folds) for one in folds} or {settings["remainder"]: left}
    strata = Counter(row["stratum"] for row in rows)
    names = sorted(strata) if len(strata) > 1 else []
    body = [(name or "(no name)", [row for row in rows if row["stratum"] == name]) for name in names[:80]]
    body.append(("all images", rows))
    assert table(section, "Images of each stratum by purpose") == [
        ["Stratum", "Images", *[f"{one} wanted {pct(wanted[one])}" for one in v.purposes], "Bar"],
        *[[name, str(len(mine)), *_shares(mine, v.purposes), ""] for name, mine in body],
    ]
    _rule(section, settings, folds)
    scope = settings["uniqueness_scope"] == "stratum"
    kinds: tuple[tuple[str, Callable[[dict[str, Any]], Any]], ...] = (
        ("physical items", lambda row: (row["item"], row["stratum"] if scope else "")),
        ("groups of images", lambda row: row["leak_group"]),
        ("files", lambda row: v.found[row["path"]].md5),
        ("pictures", lambda row: v.found[row["path"]].pixels),
    )
    proof = section.one("ul", "proof").all("li")
    for (words, key), line in zip(kinds, proof, strict=True):
        sides: dict[Any, set[str]] = {}
        for row in rows:
            sides.setdefault(key(row), set()).add(row["purpose"])
        assert all(len(one) == 1 for one in sides.values())
        says(line, f"{len(sides)} {words}")
        assert "none of them on two sides" in line.text
    groups = [one for one in by_size(Counter(row["leak_group"] for row in rows)) if one[1] > 1][:8]
    cards = section.all("li", "card")
    assert len(cards) == len(groups)
    for card, (name, size) in zip(cards, groups, strict=True):
        mine = sorted((row for row in rows if row["leak_group"] == name), key=lambda row: row["path"])
        items = n(len({row["item"] for row in mine}), "item")
        where = listed(sorted({row["stratum"] for row in mine}))
        assert card.one("p", "cardhead").claim() == " ".join(
            f"{size} images of {items} · {mine[0]['purpose']} · stratum {where}".split()
        )
        told = ", ".join(row["path"].rsplit("/")[-1] for row in mine[:6])
        more = f" and {size - 6} more" if size > 6 else ""
        names_of = card.one("p", "names")
        names_of.claimed = True
        assert names_of.text == told + more
        _claim_pictures(card)


def _rest(purposes: list[str]) -> list[str]:
    return [f"{len(purposes) - 6} more"] if len(purposes) > 6 else []


def _shares(rows: list[dict[str, Any]], purposes: list[str]) -> Iterator[str]:
    counts = Counter(row["purpose"] for row in rows)
    for one in purposes:
        yield f"{counts[one]} {pct(counts[one], max(1, len(rows)))}"


def _rule(section: Node, settings: dict[str, Any], folds: list[str]) -> None:
    (told,) = [one for one in section.all("p", "soft") if "Method" in one.text]
    asked = [f"{name} {pct(share)}" for name, share in sorted(settings["purposes"].items())]
    patterns = [
        one
        for key in ("stratification", "uniqueness")
        if isinstance(one := settings[key], str) and re.search(r"\d", one)
    ]
    says(
        told,
        *asked,
        *([f"{len(folds)} folds"] if folds else []),
        *patterns,
        f"Method {settings['method']}",
        f"seed {settings['seed']}",
    )


def drawing(page: PageOfClaims, v: Recount) -> None:
    """Records against images, by purpose and sampling group."""
    section, weighed = page.section("drawing"), [one for one in v.purposes if one in v.config["sampling"]["purposes"]]
    heads = section.all("h3")
    said: list[str] = []
    assert len(heads) == len(weighed)
    for title, purpose in zip(heads, weighed, strict=True):
        mine = [row for row in v.records if row["purpose"] == purpose and row["augmented"]]
        of = [row for row in v.assigned.values() if row["purpose"] == purpose]
        missing = len({row["path"] for row in of} - {row["path"] for row in mine})
        epochs = len({row["epoch"] for row in mine})
        told = (
            f"{n(len(mine), 'augmented record' if purpose.startswith('fold') else 'record')} from "
            + (f"{len(of) - missing} of " if missing else "")
            + f"its {n(len(of), 'image')}"
        )
        told += f", in {epochs} epochs" if epochs > 1 else ""
        assert title.claim() == f"{purpose} : {told}"
        groups = by_size(Counter(_group(row, v.config["sampling"]["groupby"]) for row in of))
        records = Counter(row["group"] for row in mine)
        rows = [
            (name, images, images / len(of), records[name], records[name] / max(1, len(mine)))
            for name, images in groups
        ]
        assert table(section, f"Groups of {purpose}: by nature and as drawn") == [
            ["Group", "Images", "by nature", "Records", "as drawn", "Factor", ""],
            *[
                [name, str(images), pct(natural), str(count), pct(drawn), f"× {drawn / natural:.2f}", ""]
                for name, images, natural, count, drawn in rows[:60]
            ],
        ]
        said.append(f"{purpose} has {told}" if said else f"{purpose.capitalize()} has {told}")
        name, _, natural, _, drawn = max(rows[:60], key=lambda one: (one[4] / one[2], one[0]))
        if drawn / natural > 1.05:
            said.append(f"“{name}” lifted from {pct(natural)} to {pct(drawn)}")
    plain = Counter(row["purpose"] for row in v.records if not row["augmented"])
    once = [f"{one} ({plain[one]})" for one in v.purposes if plain[one]]
    if once and not said:
        once[0] = once[0][0].upper() + once[0][1:]
    says(lead(section), *said, *once[:6], *_rest(once))
    _more(section)


def _group(row: dict[str, Any], columns: list[str]) -> str:
    values = (row[name] for name in columns)
    return " / ".join(one if isinstance(one, str) else ", ".join(one) for one in values)


def sheets(page: PageOfClaims, v: Recount) -> None:
    """Classes by purpose; each record's own augmentation in words."""
    section, classes = page.section("sheets"), v.manifest["classes"]
    augmenter = ImageAugmenter(AugmentationSettings.model_validate(v.config["augmentation"]))
    drawn: dict[tuple[str, str], dict[int, str]] = {}
    firsts = {classes[row["label"]] for row in v.records if row["augmented"]}
    guarded = v.config["split"]["access_log"]
    for row in sorted(v.records, key=lambda one: (one["epoch"], one["ordinal"])):
        if row["augmented"] and row["purpose"] not in guarded:
            # A class that is no image's first is that of the images' records all the same.
            others = [name for name in v.assigned[row["path"]]["category"] if name not in firsts]
            for name in [classes[row["label"]], *others]:
                of = drawn.setdefault((name, row["content_id"]), {})
                of[row["seed"]] = describe_augmentation(augmenter.parameters(row["seed"], 1, 1))
    heads = section.all("h3")
    assert len(heads) == len(classes[:60])
    for title, name in zip(heads, classes, strict=False):
        sides = Counter(row["purpose"] for row in v.assigned.values() if name in row["category"])
        told = listed([f"{sides[one]} {one}" for one in v.purposes if sides[one]])
        assert title.claim() == f"{name} {told}".strip()
    shown = [(title.one("bdi").text, sheet) for title in heads if (sheet := _after(section, title)).tag == "ul"]
    for name, sheet in shown:
        seen = {
            row["path"]: row for row in v.assigned.values() if row["purpose"] not in guarded and name in row["category"]
        }
        for exhibit in [one for one in sheet.children if isinstance(one, Node)]:
            _claim_pictures(exhibit)
            file = exhibit.one("bdi").claim()
            words = [one.claim() for lines in exhibit.all("ol") for one in lines.all("li")]
            mine = [
                list(drawn.get((name, row["content_id"]), {}).values())
                for path, row in seen.items()
                if path.endswith(f"/{file}")
            ]
            matching = [one for one in mine if one[:3] == words]
            assert matching, (name, file, words, mine)
            more = [one.claim() for one in exhibit.all("p", "more")]
            assert more in [[f"and {n(len(one) - 3, 'more record')} of it"] if len(one) > 3 else [] for one in matching]
    for chips in section.all("ul", "chips"):
        assert [one.claim() for one in chips.all("li")] == classes[:60]
    says(lead(section), n(len(shown), "class", "classes"))
    _more(section, ("classes", max(0, len(classes) - 60)))


def _after(section: Node, title: Node) -> Node:
    elements = [one for one in section.children if isinstance(one, Node)]
    return elements[elements.index(title) + 1]


def checks(page: PageOfClaims, v: Recount) -> None:
    """Every check as Dagster was told of it."""
    section, total = page.section("checks"), len(v.checks)
    warned = [told for _, told in v.checks if not told["passed"]]
    if warned:
        says(lead(section), f"{total - len(warned)} of {total} checks", n(len(warned), "warning"))
    else:
        says(lead(section), f"all {total} checks passed")
    shown = [one.claim() for one in section.one("div", "stages").all("li")]
    assert sorted(shown) == sorted(_verdict(told) for _, told in v.checks)
    for title in section.one("div", "stages").all("h3"):
        assert not re.search(r"\d", title.text)


def _verdict(told: dict[str, Any]) -> str:
    what, advice = "", f". {told['what to do']}" if told.get("what to do") else ""
    if told.get("offending rows"):
        what = f"{n(told['offending rows'], 'entry', 'entries')} found against it{advice}"
    elif isinstance(value := told.get("observed"), int | float) and not isinstance(value, bool):
        said = pct(value) if "%" in told["rule"] else value if isinstance(value, int) else f"{value:,.4g}"
        what = f"measured: {said}{advice}"
    said = f"{'Passed' if told['passed'] else 'Warning'} {told['rule']}" + (f" ({what})" if what else "")
    return " ".join((said if told["passed"] else f"{said} Does not stop the run.").split())


def changes(page: PageOfClaims, v: Recount) -> None:
    """What is otherwise than in the version before."""
    section, old = page.section("changes"), v.before
    if old is None:
        says(lead(section))
        return
    both = [path for path in v.found if path in old.found]
    read = [path for path in both if not v.found[path].unread and not old.found[path].unread]
    sided = [path for path in v.assigned if path in old.assigned]
    renamed = _renamed(v, old)
    kinds = {
        "New images": set(v.found) - set(old.found) - set(renamed),
        "Images that left": set(old.found) - set(v.found) - set(renamed.values()),
        "No longer read": {path for path in both if v.found[path].unread and not old.found[path].unread},
        "Read again": {path for path in both if old.found[path].unread and not v.found[path].unread},
        "Renamed images": set(renamed),
        "Replaced images": {path for path in read if v.found[path].md5 != old.found[path].md5},
        "Relabelled images": {
            *(path for path in read if v.found[path].classes != old.found[path].classes),
            *(path for path, was in renamed.items() if v.found[path].classes != old.found[was].classes),
        },
        "Moved images": {path for path in sided if v.assigned[path]["purpose"] != old.assigned[path]["purpose"]},
    }
    shown = {}
    for one in section.all("details"):
        summary = one.one("summary").claim()
        title = next(title for title in kinds if summary.startswith(title))
        shown[title] = int(re.sub(r"\D", "", summary))
        told = [item.one("bdi").claim() for item in one.all("li")]
        assert set(told) == {short(v, path) for path in kinds[title]}
        for item in one.all("li"):
            _what_happened(item, title, v, old, renamed)
    assert shown == {title: len(paths) for title, paths in kinds.items() if paths}
    differ = dict(_differences(old.config, v.config))
    counts = [str(len(paths)) for paths in kinds.values() if paths]
    says(lead(section), f"version {old.folder.name}", *counts, n(len(differ), "setting"))
    numbers = {"Images found": (len(old.found), len(v.found))}
    for of, kind in (("Images for", "images"), ("Records for", "records")):
        was, now = old.counted(kind), v.counted(kind)
        numbers |= {f"{of} {one}": (was[one], now[one]) for one in {**was, **now}}
    was, now = Counter(old.rules.values()), Counter(v.rules.values())
    numbers |= {f"Left out: {WORDS[rule]}": (was[rule], now[rule]) for rule in {**was, **now}}
    rows = table(section, "Numbers, before and now")
    assert rows is not None
    assert rows[0] == ["Number", "Before", "Now", "Change"]
    assert {row[0]: row[1:] for row in rows[1:]} == {name: _change(*pair) for name, pair in numbers.items()}
    by_class = [Counter(name for one in version.listed for name in one.classes) for version in (old, v)]
    different = {
        name: _change(by_class[0][name], by_class[1][name])
        for name in {**by_class[0], **by_class[1]}
        if by_class[0][name] != by_class[1][name]
    }
    rows = table(section, "Classes whose number of images changed") or [[]]
    assert {row[0]: row[1:] for row in rows[1:]} == different
    rows = table(section, "Settings that changed") or [[]]
    assert {row[0]: row[1:] for row in rows[1:]} == differ


def _renamed(v: Recount, old: Recount) -> dict[str, str]:
    """Path → the path where the bytes were before: first of the same classes, then of any."""
    found: dict[str, str] = {}
    for alike in (True, False):
        for path in sorted(set(v.found) - set(old.found) - set(found)):
            for was in sorted(set(old.found) - set(v.found) - set(found.values())):
                one, other = v.found[path], old.found[was]
                same = one.md5 == other.md5 and (not alike or one.classes == other.classes)
                if same and not one.unread and not other.unread:
                    found[path] = was
                    break
    return found


def _what_happened(item: Node, title: str, v: Recount, old: Recount, renamed: Mapping[str, str]) -> None:
    path = next(path for path in {**v.found, **old.found} if short(v, path) == item.one("bdi").text)
    told = item.one("span", "soft").claim()
    was, now = old.found.get(renamed.get(path, path)), v.found.get(path)
    assert was or now
    if title == "Renamed images":
        assert told == f"was {renamed[path]}"
    elif title == "Replaced images" and was and now:
        assert told == f"{was.md5} → {now.md5}"
    elif title == "Relabelled images" and was and now:
        assert told == f"{', '.join(was.classes)} → {', '.join(now.classes)}"
    elif title == "Moved images":
        assert told == f"{old.assigned[path]['purpose']} → {v.assigned[path]['purpose']}"
    elif now is None:
        assert told == ("left out by the listing" if was and was.unread else ", ".join(was.classes if was else ()))
    elif now.unread and title == "New images":
        assert told == _fate(v, path)
    else:
        assert told == ", ".join([*([", ".join((was or now).classes)]), _fate(v, path)])


def _change(was: int, now: int) -> list[str]:
    return [str(was), str(now), f"{now - was:+d}" if was != now else "±0"]


def _differences(was: Any, now: Any, key: str = "") -> Iterator[tuple[str, list[str]]]:
    if isinstance(was, dict) and isinstance(now, dict):
        for name in {**was, **now}:
            yield from _differences(was.get(name, "—"), now.get(name, "—"), f"{key}.{name}" if key else name)
    elif was != now:
        yield (
            key,
            ["none" if one is None else str(one).lower() if isinstance(one, bool) else str(one) for one in (was, now)],
        )


def left_out(page: PageOfClaims, v: Recount) -> None:
    """The account: found = in the files + left out, by class and by rule."""
    section, used, out = page.section("left-out"), len(v.recorded), len(v.rules)
    assert used + out == len(v.found)
    if not out:
        says(lead(section), *([n(len(v.found), "image")] if len(v.found) > 1 else []))
    else:
        says(lead(section), f"{used} of the {n(len(v.found), 'image')} found", f"{out} ")
    assert section.one("p", "sum").claim() == f"{len(v.found)} found = {used} in the training files + {out} left out"
    rows = []
    every = {name for photo in v.found.values() for name in photo.classes}
    for name in every:
        mine = [path for path, photo in v.found.items() if name in photo.classes]
        lacks = Counter(v.rules[path] for path in mine if path in v.rules)
        why = listed([f"{count} {BRIEFLY[rule]}" for rule, count in by_size(lacks)])
        if lacks:
            rows.append([name, str(len(mine)), str(lacks.total()), why])
    rows.sort(key=lambda row: (-int(row[2]), row[0]))
    shown = table(section, "Images of each class that no training file holds") or [[]]
    assert shown[1:] == rows[:60]
    whole = [one for one in section.all("p", "soft") if "other class" in one.text]
    assert bool(whole) == bool(rows and len(rows) < len(every))
    for one in whole:
        says(one, n(len(every) - len(rows), "other class", "other classes"))
    by_rule = {}
    for one in section.all("details"):
        summary = one.one("summary").claim()
        rule = next(rule for rule, words in WORDS.items() if summary.lower().startswith(words))
        by_rule[rule] = summary[len(WORDS[rule]) :].strip()
        paths = sorted(path for path, why in v.rules.items() if why == rule)
        assert [item.all("bdi")[0].text for item in one.all("li")] == [short(v, path) for path in paths[:60]]
        for item in one.all("li"):
            item.claimed = True
            assert (
                not re.search(r"\d", re.sub(r"\(.*?\)|: .*", "", item.one("span", "soft").text)) or rule != "not_drawn"
            )
        more = (
            [f"and {len(paths) - 60} more images; all of them stand in exclusions.parquet ."] if len(paths) > 60 else []
        )
        assert [item.claim() for item in one.all("p", "more")] == more
    counts = Counter(v.rules.values())
    assert by_rule == {rule: f"{count} {pct(count, len(v.found))} of all" for rule, count in counts.items()}
    _more(section, ("classes", max(0, len(rows) - 60)))


def provenance(page: PageOfClaims, v: Recount) -> None:
    """Files and checksums as they lie on the disk."""
    section, disk = page.section("provenance"), {}
    for folder, _, names in os.walk(v.folder):
        for name in names:
            place = os.path.relpath(os.path.join(folder, name), v.folder)
            if place != "manifest.json" and not place.startswith("report"):
                data = (v.folder / place).read_bytes()
                disk[place] = [str(len(data)), hashlib.sha256(data).hexdigest()]
    total = sum(int(size) for size, _ in disk.values())
    says(lead(section), n(len(disk), "file"), bytes_of(total), v.folder.name)
    rows = table(section, "Files of the version")
    assert rows is not None
    assert {row[0]: [row[1].replace(",", ""), row[2]] for row in rows[1:]} == disk
    facts = {one.one("dt").claim(): one.one("dd").claim() for one in section.one("dl", "facts").all("div")}
    manifest = (v.folder / "manifest.json").read_bytes()
    assert facts == {
        "Version": hashlib.sha256(manifest).hexdigest()[:16],
        "Publication": f"number {v.number}",
        "Version before": v.before.folder.name if v.before else "none",
        "Fingerprint of the listing": v.manifest["listing_fingerprint"],
        "Fingerprint of the plan": v.manifest["plan"],
    }
    command, configuration = (one.one("code") for one in section.all("pre"))
    assert command.claim() == f"brev-pipeline verify {v.manifest['pipeline']}.yaml {v.folder.name}"
    configuration.claimed = True
    assert yaml.safe_load("".join(map(str, configuration.children))) == v.config
    packages = table(section, "Packages")
    assert packages is not None
    assert dict(packages[1:]) == v.manifest["packages"] == {name: metadata.version(name) for name, _ in packages[1:]}
    summaries = {one.one("b").text: one.claim() for one in section.all("summary")}
    assert summaries["Packages"].split()[1] == str(len(packages) - 1)
    assert summaries["Files"].split()[1] == str(len(disk))
    (told,) = [one for one in section.all("p") if "sha256sum" in one.text]
    says(told, "16 digits", "sha256sum", "SHA-256")
    assert json.loads(manifest) == v.manifest


def _more(section: Node, *cut: tuple[str, int]) -> None:
    """What is said of lists that end early."""
    told = [one for one in section.all("p", "more") if not one.claimed and not _in_card(one)]
    wanted: Iterable[tuple[str, int]] = [(what, count) for what, count in cut if count]
    for one, (what, count) in zip(told, wanted, strict=True):
        says(one, f"and {count} more {what}")


def _in_card(node: Node | None) -> bool:
    return node is not None and (node.tag == "li" or _in_card(node.parent))
