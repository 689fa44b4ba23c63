"""Charts are small PNGs on white, whatever the tables hold."""

import io
import subprocess
import sys
import warnings

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from brev_pipeline.charts import class_balance, drawn_shares, split_shares
from brev_pipeline.charts.figure import CHART_BYTES, WIDTH, make_card, measure_text, shorten_text, wrap_text
from brev_pipeline.texts import TEXT

NAMES = st.text(max_size=80)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def listing(datasets: dict[str, dict[str, int]]) -> pa.Table:
    rows = [(d, [c]) for d, classes in datasets.items() for c, count in classes.items() for _ in range(count)]
    return pa.table(
        {
            "dataset": pa.array([d for d, _ in rows], TEXT),
            "category": pa.array([c for _, c in rows], pa.list_(TEXT)),
        }
    )


def shares(strata: dict[str, int], wanted: dict[str, float]) -> pa.Table:
    rows = [
        {"stratum": stratum, "purpose": purpose, "images": round(images * share), "wanted_share": share}
        for stratum, images in strata.items()
        for purpose, share in wanted.items()
    ]
    types = {
        "stratum": TEXT,
        "purpose": TEXT,
        "images": pa.int64(),
        "wanted_share": pa.float64(),
    }
    return pa.Table.from_pylist(rows, schema=pa.schema(list(types.items())))


def weights(groups: dict[str, int], purpose: str = "train", flat: bool = False) -> pa.Table:
    total = sum(groups.values()) or 1
    rows = [
        {
            "purpose": purpose,
            "group": group,
            "samples": samples,
            "probability": samples / total if flat else 1 / len(groups),
        }
        for group, samples in groups.items()
    ]
    types = {
        "purpose": TEXT,
        "group": TEXT,
        "samples": pa.int64(),
        "probability": pa.float64(),
    }
    return pa.Table.from_pylist(rows, schema=pa.schema(list(types.items())))


def is_card(data: bytes) -> None:
    image = opened(data)
    assert image.format == "PNG"
    assert image.width == WIDTH
    assert len(data) <= CHART_BYTES
    # A card: white inside its edge, so that it reads on any page.
    assert min(image.convert("RGB").getpixel((4, 4))) >= 250


@pytest.mark.parametrize(
    "datasets",
    [
        {},
        {"one": {"good": 1}},
        {"one": {f"class {number}": 100 - number for number in range(60)}},
        {f"dataset {number}": {"good": number + 1, "bad": 2} for number in range(7)},
        {"one": {"瑕疵": 3, "дефект": 2, "😀": 1, "": 4, "$\\frac{": 1, "a\nb\tc": 2, "x" * 500: 1}},
    ],
)
def test_class_balance_is_a_card_for_none_one_and_many_classes(datasets: dict[str, dict[str, int]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        is_card(class_balance(listing(datasets)))


@pytest.mark.parametrize("strata", [{}, {"": 5}, {"good": 900, "bad": 3}, {f"s{n}": n for n in range(60)}])
@pytest.mark.parametrize(
    "wanted", [{"train": 1.0}, {"train": 0.6, "devel": 0.2, "test": 0.2}, {f"purpose {n}": 0.125 for n in range(8)}]
)
def test_split_shares_is_a_card_for_any_strata_and_purposes(strata: dict[str, int], wanted: dict[str, float]) -> None:
    is_card(split_shares(shares(strata, wanted)))


@pytest.mark.parametrize("groups", [{}, {"all": 1}, {"good": 900, "bad": 3}, {f"g{n}": n + 1 for n in range(60)}])
def test_drawn_shares_is_a_card_for_any_groups(groups: dict[str, int]) -> None:
    is_card(drawn_shares(weights(groups)))


def test_drawn_shares_shows_the_purpose_that_is_weighed_most() -> None:
    train, test = weights({"a": 90, "b": 10}), weights({"a": 900, "b": 100}, "test", flat=True)
    assert drawn_shares(pa.concat_tables([test, train])) == drawn_shares(pa.concat_tables([test, train]), "train")


def test_classes_beyond_the_first_are_added_up_and_no_image_is_lost() -> None:
    from brev_pipeline.charts.bars import _count_classes, _merge_last

    rows = _count_classes(listing({"one": {f"class {number}": number + 1 for number in range(60)}}))["one"]
    shown = _merge_last(rows, 24)
    assert len(shown) == 24
    assert sum(count for _, count, _ in shown) == 60 * 61 // 2
    assert shown[-1].label == "37 others"


def test_a_chart_is_the_same_whatever_settings_of_matplotlib_a_user_has(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    table = weights({"good": 900, "$bad_cap$": 3})
    usual = drawn_shares(table)
    for name, value in {"text.usetex": True, "font.family": ["monospace"], "font.size": 30, "savefig.dpi": 7}.items():
        monkeypatch.setitem(matplotlib.rcParams, name, value)
    assert drawn_shares(table) == usual


def test_importing_charts_imports_neither_matplotlib_nor_pillow() -> None:
    rooms = "brev_pipeline.charts.bars, brev_pipeline.charts.figure, brev_pipeline.charts.sheets"
    script = f"import sys, {rooms}; print(*{{'matplotlib', 'PIL'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_same_table_gives_the_same_bytes_in_any_order_of_rows() -> None:
    table = listing({"one": {"good": 5, "bad": 3}, "two": {"good": 1}})
    assert class_balance(table) == class_balance(table.take(list(range(table.num_rows))[::-1]))


@settings(max_examples=40)
@given(NAMES, st.integers(10, 300))
def test_shortened_text_fits_and_short_text_is_kept(text: str, width: int) -> None:
    short = shorten_text(text, width, 13)
    assert measure_text(short, 13) <= width
    if text.isprintable() and measure_text(text, 13) <= width:
        assert short == text


@settings(max_examples=40)
@given(st.lists(NAMES).map(" ".join), st.integers(1, 4))
def test_wrapped_text_has_at_most_so_many_lines_that_fit(text: str, lines: int) -> None:
    out = wrap_text(text, 160, 11, lines)
    assert len(out) <= lines
    assert all(measure_text(line, 11) <= 160 for line in out)


def test_a_picture_that_would_be_too_large_loses_colours_then_size() -> None:
    import numpy as np

    card = make_card(400, "noise", "")
    noise = np.frombuffer(np.random.Generator(np.random.Philox(key=1)).bytes(700 * 330 * 3), np.uint8)
    card.add_picture(10, 65, noise.reshape(330, 700, 3), (700, 330))
    data = card.to_png(30_000)
    assert len(data) <= 30_000
    assert opened(data).width < WIDTH
