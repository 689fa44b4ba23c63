from hypothesis import assume, given
from hypothesis import strategies as st

from brev_pipeline.listing.spans import Span, at_folders, by_folder, cut, end_of_folder

NAMES = st.text(st.sampled_from("0123456789abzABZ_-./ é漢"), min_size=1, max_size=8)


def inside(span: Span, key: str) -> bool:
    return key.startswith(span.prefix) and key > span.after and (span.until is None or key <= span.until)


@given(NAMES, st.none() | NAMES, NAMES)
def test_a_cut_loses_no_key_and_shows_none_twice(after: str, until: str | None, key: str) -> None:
    assume(until is None or until > after)
    span = Span("p/", f"p/{after}", None if until is None else f"p/{until}")
    halves = cut(span)
    if halves is not None:
        seen = [inside(half, f"p/{key}") for half in halves]
        assert sum(seen) == inside(span, f"p/{key}")


@given(NAMES, st.none() | NAMES)
def test_a_cut_lies_strictly_within_the_span(after: str, until: str | None) -> None:
    assume(until is None or until > after)
    span = Span("p/", f"p/{after}", None if until is None else f"p/{until}")
    halves = cut(span)
    if halves is not None:
        middle = halves[0].until
        assert middle == halves[1].after
        assert middle is not None
        assert span.after < middle
        assert span.until is None or middle < span.until


def test_numbers_are_cut_half_way() -> None:
    assert cut(Span("p/", "p/000123_15.bmp")) == (Span("p/", "p/000123_15.bmp", "p/5"), Span("p/", "p/5"))
    assert cut(Span("p/", "p/2000", "p/5")) == (Span("p/", "p/2000", "p/4"), Span("p/", "p/4", "p/5"))
    assert cut(Span("p/", "p/2000", "p/3")) == (Span("p/", "p/2000", "p/25"), Span("p/", "p/25", "p/3"))


def test_names_that_give_no_hint_are_not_cut() -> None:
    assert cut(Span("p/", "p/漢字")) is None
    assert cut(Span("p/", "p/")) is None


@given(st.lists(NAMES, min_size=1, max_size=30), NAMES, st.integers(1, 5))
def test_spans_of_folders_cover_each_key_behind_the_start_once(names: list[str], after: str, parts: int) -> None:
    keys = [f"p/{name}" for name in names]
    folders = sorted({key[: key.index("/", 2) + 1] for key in keys if "/" in key[2:]})
    rest = Span("p/", f"p/{after}")
    for key in keys:
        grouped = sum(inside(span, key) for span in at_folders(rest, folders, parts))
        single = sum(inside(span, key) for span in by_folder(rest, folders))
        assert grouped == (key > rest.after)
        assert single == (key > rest.after and "/" in key[2:])


@given(NAMES, NAMES)
def test_the_end_of_a_folder_lies_behind_all_its_keys(folder: str, name: str) -> None:
    assert f"{folder}/" < f"{folder}/{name}" < end_of_folder(f"{folder}/")


def test_folders_are_grouped_evenly() -> None:
    spans = at_folders(Span("", "f03/9"), [f"f{number:02d}/" for number in range(24)], 5)
    assert len(spans) == 5
    assert spans[0].after == "f03/9"
    assert [span.until for span in spans] == ["f060", "f100", "f140", "f180", None] or len(
        {s.until for s in spans}
    ) == 5
