"""Files that were made to cost much are refused by what is counted, or cost what an image of their size may."""

import pytest

from brev_pipeline.errors import DecodeError
from brev_pipeline.images.decoding import decode_image
from brev_pipeline_tests.images import bombs
from brev_pipeline_tests.images.bombs_made import BOMBS

pytestmark = pytest.mark.slow

# Seconds of CPU get longer when other tests keep the rest of the machine busy.
BUSY = 2


def test_a_measured_cost_is_that_of_the_file():
    small = bombs.measure(b"P5 100 100 255\n" + bytes(10_000))
    large = bombs.measure(b"P5 8000 8000 255\n" + bytes(64_000_000))
    assert (small.status, large.status) == ("ok", "ok")
    assert small.megabytes < 30
    assert small.allowed == pytest.approx(200.08)
    # The file's grey levels, and three channels of them.
    assert 190 < large.megabytes < large.allowed == pytest.approx(712)
    assert small.seconds < large.seconds
    assert not small.fault


def test_a_cost_beyond_the_bounds_is_a_fault():
    assert bombs.Cost("ok", "", 9.9, 201, 200).fault == "OVER"
    assert bombs.Cost("ok", "", 10.1, 199, 200).fault == "SLOW"
    assert bombs.Cost("interrupted", "", 0, 0, 200).fault == "UNDECIDED"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("jp2 tiles 1×1", "65280 tiles; an image of its size may have 8207"),
        ("jp2 layers in the tile", "2162655 packets; an image of its size may have 1000256"),
        ("jp2 precincts 2×2, big", "49900050 packets; an image of its size may have 7237506"),
        ("jp2 blocks 4×4, big", "6240004 code blocks; an image of its size may have 520916"),
        ("jp2 boxes of headers", "more than 4096 boxes"),
        ("tiff tiles 1×1", "262144 tiles; an image of its size may have 66560"),
        ("tiff big 16 channels", "1596801600 samples; read are up to 4 × max_pixels = 400000000"),
        ("tiff values that overlap", "values take 16000001"),
        ("tiff jpeg 64 scans, big", "cover over 2096801600 px"),
        ("jpeg cmyk exif segments", "more than 64 EXIF segments"),
        ("avif 60,000 items", "room for 140002 items; read are up to 24576"),
        ("pnm comments, big", "83810000 comments"),
        ("png tail rgb", "more than the 12352 bytes of its pixels"),
    ],
)
def test_work_that_the_size_does_not_account_for_is_refused_with_its_count(name, reason):
    with pytest.raises(DecodeError) as caught:
        decode_image(BOMBS[name](), bombs.SETTINGS)
    assert caught.value.status == "too_large"
    assert reason in str(caught.value)


# What the coded picture of an AVIF is of stands in its AV1 stream only, which is not read before it is decoded.
UNSEEN = "avif 9990 px, claims 8"
MARKS = {UNSEEN: pytest.mark.xfail(strict=True, reason="takes 218 MB of 200: its boxes claim a smaller picture")}


@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, ())) for name in BOMBS])
def test_a_bomb_costs_no_more_than_its_size_allows(name):
    cost = bombs.measure(BOMBS[name]())
    assert cost.status in ("ok", "corrupt", "unsupported", "too_large"), cost
    assert cost.megabytes <= cost.allowed, cost
    assert cost.seconds <= BUSY * bombs.MOST_SECONDS, cost


def test_the_bombs_of_the_cases_cost_no_more_than_their_sizes_allow(shared):
    costs = {name: bombs.measure(data) for name, data in bombs.shared_bombs(shared / "cases" / "bombs").items()}
    assert {name: cost.status for name, cost in costs.items()} == {
        "big.jp2": "ok",
        "big.webp": "ok",
        "ifd.tif.gz": "ok",
        "scans.jpg": "too_large",
        "strips.tif": "too_large",
    }
    for name, cost in costs.items():
        assert cost.megabytes <= cost.allowed, (name, cost)
        assert cost.seconds <= BUSY * bombs.MOST_SECONDS, (name, cost)
