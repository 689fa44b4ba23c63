import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import ListingError
from brev_pipeline.listing import list_datasets
from brev_pipeline.listing.class_checks import ListingFindings
from brev_pipeline.storage import Sources
from brev_pipeline.tables import RAW_LISTING
from brev_pipeline_tests.buckets import Server, config_of, put_in_process

ODD_KEYS = [
    "a b.png",
    "a+b.png",
    "100%.png",
    "%41.png",
    "#1.png",
    "ü/漢字.png",
    "a&b<c>.png",
    '"q".png',
    "x" * 1000 + ".png",
]


def listed(config: PipelineConfig, known: pa.Table | None = None) -> pa.Table:
    return list_datasets(config.datasets, config.listing, Sources.from_config(config), known)


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def test_a_local_folder_is_listed_with_checksums_and_configured_paths(tmp_path: Path) -> None:
    make(tmp_path, "photos/good/b.png", "photos/good/a.PNG", "photos/bad/c.bmp", "photos/notes.txt", "photos/top.png")
    table = listed(config_of({"bucket": "photos", "reference": "QA-12"}, base=tmp_path))
    assert table.schema == RAW_LISTING
    names = ["photos/bad/c.bmp", "photos/good/a.PNG", "photos/good/b.png", "photos/top.png"]
    assert table["path"].to_pylist() == names
    assert table["folder"].to_pylist() == ["bad", "good", "good", "__root__"]
    assert table["category"].to_pylist() == [["bad"], ["good"], ["good"], ["__root__"]]
    sums = [hashlib.md5(name.encode(), usedforsecurity=False).hexdigest() for name in names]
    assert table["etag"].to_pylist() == sums
    constant = {
        "bucket": "photos",
        "dataset": "Set 0",
        "dataset_id": "set-0",
        "reference": "QA-12",
        "etag_source": "md5",
    }
    assert {name: table[name].unique().to_pylist() for name in constant} == {
        name: [one] for name, one in constant.items()
    }
    assert str(tmp_path) not in str(table.to_pylist())


def test_several_datasets_are_one_table_sorted_by_path_whatever_their_order(tmp_path: Path) -> None:
    make(tmp_path, "b/good/1.png", "a/good/1.png", "a-2/good/1.png")
    first = listed(
        config_of({"bucket": "a", "id": "x"}, {"bucket": "a-2", "id": "y"}, {"bucket": "b", "id": "z"}, base=tmp_path)
    )
    assert first["path"].to_pylist() == ["a-2/good/1.png", "a/good/1.png", "b/good/1.png"]
    assert first["dataset_id"].to_pylist() == ["y", "x", "z"]


def test_classes_come_from_folders_by_mapping_and_filter(tmp_path: Path) -> None:
    make(tmp_path, "p/A/1/x.png", "p/A/2/x.png", "p/B/1/x.png", "p/C/x.png")
    mapping = {"A": "Tilted", "1": ["Crimp", "Cap"]}
    config = config_of({"bucket": "p"}, base=tmp_path, listing={"class_mapping": mapping, "classes": ["Tilted", "Cap"]})
    table = listed(config)
    found = dict(zip(table["path"].to_pylist(), table["category"].to_pylist(), strict=True))
    assert found == {"p/A/1/x.png": ["Cap"], "p/A/2/x.png": ["Tilted"], "p/B/1/x.png": ["Cap"]}


def test_known_files_are_not_read_again(tmp_path: Path) -> None:
    make(tmp_path, "p/good/a.png", "p/good/b.png")
    config = config_of({"bucket": "p"}, base=tmp_path)
    known = listed(config)
    # Nobody could read these etags out of the files.
    known = known.set_column(3, RAW_LISTING.field("etag"), pa.array(["0" * 32, "1" * 32], pa.large_string()))
    assert listed(config, known).equals(known)


def test_the_real_photos_are_all_listed(shared: Path) -> None:
    table = listed(config_of({"bucket": str(shared / "data/inspection")}))
    assert table.num_rows == 278
    assert sorted(table["folder"].unique().to_pylist()) == ["no_pitting", "pitting", "recheck"]
    labels = (shared / "data/inspection/labels.csv").read_text().splitlines()[1:]
    assert set(table["etag"].to_pylist()) <= {field for line in labels for field in line.split(",")}


def test_a_bucket_is_listed_over_many_pages_with_the_servers_etags(s3: Server) -> None:
    keys = [f"set/{folder}/{number:04d}.png" for folder in ("good", "bad") for number in range(520)]
    name = s3.bucket()
    put_in_process(name, [*keys, "other/good/1.png"], b"x")
    table = listed(config_of({"bucket": f"s3://{name}/set/", "storage": s3.storage()}))
    assert table.num_rows == 1040
    assert table["path"].to_pylist() == sorted(
        f"s3://{name}/set/{f}/{n:04d}.png" for f in ("good", "bad") for n in range(520)
    )
    assert table["etag"].unique().to_pylist() == [hashlib.md5(b"x", usedforsecurity=False).hexdigest()]
    assert table["etag_source"].unique().to_pylist() == ["s3"]
    assert table["bucket"].unique().to_pylist() == [f"s3://{name}/set"]


def test_odd_keys_markers_and_hidden_parts_of_a_bucket(s3: Server) -> None:
    name = s3.bucket(dict.fromkeys([*ODD_KEYS, "good/", ".hidden/a.png", "good/.b.png", "good/a.txt"], b"x"))
    config = config_of({"bucket": f"s3://{name}", "storage": s3.storage()})
    assert listed(config)["path"].to_pylist() == sorted((f"s3://{name}/{key}" for key in ODD_KEYS), key=str.encode)


def test_a_bucket_and_a_folder_are_listed_together(s3: Server, tmp_path: Path) -> None:
    make(tmp_path, "p/good/a.png")
    name = s3.bucket({"good/a.png": b"x"})
    config = config_of({"bucket": "p"}, {"bucket": f"s3://{name}", "storage": s3.storage()}, base=tmp_path)
    assert listed(config)["etag_source"].to_pylist() == ["md5", "s3"]


def test_listing_twice_gives_the_same_table(s3: Server) -> None:
    name = s3.bucket({f"f{number % 7}/{number}.png": b"x" for number in range(60)})
    config = config_of({"bucket": f"s3://{name}", "storage": s3.storage()})
    assert listed(config).equals(listed(config))


@pytest.mark.parametrize(
    ("files", "listing", "words"),
    [
        ([], {}, "holds no files at all"),
        (
            ["good/a.txt", "bad/b.txt", "c.csv"],
            {},
            r"its 3 files end in \.txt \(2\), \.csv \(1\), in the folders \., bad, good",
        ),
        (["good/a.png"], {"classes": ["broken"]}, r"listing.classes \['broken'\] would let pass"),
        (["good/a.png"], {"sample_filter": "^b"}, r"listing.sample_filter '\^b'"),
        ([".good/a.png"], {}, "holds no files at all"),
    ],
)
def test_a_dataset_without_images_says_what_was_seen(
    tmp_path: Path, files: list[str], listing: dict[str, Any], words: str
) -> None:
    (tmp_path / "p").mkdir()
    make(tmp_path / "p", *files)
    with pytest.raises(ListingError, match=rf"dataset 'Set 0' \(p\): .*{words}"):
        listed(config_of({"bucket": "p"}, base=tmp_path, listing=listing))


def test_a_missing_folder_and_a_missing_bucket_name_the_dataset(s3: Server, tmp_path: Path) -> None:
    with pytest.raises(ListingError, match=r"dataset 'Set 0' \(nowhere\): .*there is no such folder"):
        listed(config_of({"bucket": "nowhere"}, base=tmp_path))
    with pytest.raises(ListingError, match=r"dataset 'Set 0' \(s3://no-bucket-here\): .*there is no such bucket"):
        listed(config_of({"bucket": "s3://no-bucket-here", "storage": s3.storage()}))


def test_an_empty_prefix_of_a_bucket_is_an_error(s3: Server) -> None:
    name = s3.bucket({"good/a.png": b"x"})
    with pytest.raises(ListingError, match="holds no files at all"):
        listed(config_of({"bucket": f"s3://{name}/goo", "storage": s3.storage()}))


@pytest.mark.parametrize(("outer", "inner"), [("p", "p/good"), ("p/good", "p"), ("p", "./p"), ("p", "link")])
def test_datasets_that_overlap_are_refused_by_name(tmp_path: Path, outer: str, inner: str) -> None:
    make(tmp_path, "p/good/a.png")
    (tmp_path / "link").symlink_to(tmp_path / "p/good")
    with pytest.raises(ListingError, match=r"'Set [01]' and 'Set [01]' overlap.*listed twice"):
        listed(config_of({"bucket": outer}, {"bucket": inner}, base=tmp_path))


def test_prefixes_of_one_bucket_overlap_only_at_slashes(s3: Server) -> None:
    name = s3.bucket({"a/good/1.png": b"x", "ab/good/1.png": b"x", "a/good/x/1.png": b"x"})
    of = lambda prefix: {"bucket": f"s3://{name}/{prefix}", "storage": s3.storage()}  # noqa: E731
    assert listed(config_of(of("a"), of("ab"))).num_rows == 3
    with pytest.raises(ListingError, match="overlap"):
        listed(config_of(of("a"), of("a/good")))


def attacked(root: Path) -> None:
    """A dataset of three photos, and beside them what somebody else put there."""
    make(root, "p/good/a.png", "p/good/b.png", "p/bad/c.png", "p/README.md", "p/good/Thumbs.db", "outside/x.png")
    os.mkfifo(root / "p/good/fifo.png")
    (root / "p/good/zero.png").symlink_to("/dev/zero")
    (root / "p/good/lost.png").symlink_to("nowhere")
    (root / "p/bad/ü.png").symlink_to(root / "outside/x.png")
    (root / "p/bad/inside.png").symlink_to("../good/a.png")
    (root / "p/more").symlink_to(root / "outside")
    (root / "p/good/up").symlink_to("..")
    with open(root / "p/good/giant.png", "wb") as giant:
        giant.truncate(8 << 30)


RULES = {
    "p/bad/ü.png": "link_outside",
    "p/good/fifo.png": "not_a_file",
    "p/good/giant.png": "object_too_large",
    "p/good/lost.png": "not_a_file",
    "p/good/zero.png": "not_a_file",
}


def test_what_may_not_be_read_is_left_out_with_its_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    attacked(tmp_path)
    config = config_of({"bucket": "p"}, base=tmp_path)
    left_out: list[pa.Table] = []
    found = ListingFindings()
    began = time.perf_counter()
    table = list_datasets(
        config.datasets, config.listing, Sources.from_config(config), None, left_out.append, found.add_findings
    )
    assert time.perf_counter() - began < 5
    assert table["path"].to_pylist() == ["p/bad/c.png", "p/bad/inside.png", "p/good/a.png", "p/good/b.png"]
    (told,) = left_out
    rows = told.sort_by("path").to_pylist()
    assert {row["path"]: row["rule"] for row in rows} == RULES
    assert all(row["reason"] and row["etag"] is None for row in rows)
    assert str(tmp_path) not in str(rows)
    refused = {(".png", "link"): 1, (".png", "not a file"): 3, (".png", "too large"): 1}
    others = {(".md", "filter"): 1, (".db", "filter"): 1, ("no ending", "link to a folder"): 1}
    assert {kind: files for kind, files in found.unlisted.items() if kind[1] != "empty"} == refused | others
    assert "did not enter 1 by link_outside (the first more: a link to a folder outside" in caplog.text
    assert "1 by object_too_large (the first good/giant.png: 8,589,934,592 bytes" in caplog.text


def test_links_are_followed_where_that_is_allowed(tmp_path: Path) -> None:
    attacked(tmp_path)
    data = {"p/bad/ü.png": b"outside/x.png", "p/more/x.png": b"outside/x.png", "p/good/a.png": b"p/good/a.png"}
    config = config_of({"bucket": "p"}, base=tmp_path, listing={"follow_links": True})
    found = dict(zip(*(listed(config)[name].to_pylist() for name in ("path", "etag")), strict=True))
    assert {path: found[path] for path in data} == {
        path: hashlib.md5(content, usedforsecurity=False).hexdigest() for path, content in data.items()
    }
    assert found.keys().isdisjoint(RULES.keys() - {"p/bad/ü.png"})


def test_an_object_of_a_bucket_that_is_too_large_is_left_out_by_its_size(s3: Server) -> None:
    name = s3.bucket({"good/a.png": b"x" * 100, "good/b.png": b"x" * 101})
    config = config_of({"bucket": f"s3://{name}", "storage": s3.storage()}, listing={"max_object_mb": 1e-4})
    left_out: list[pa.Table] = []
    table = list_datasets(config.datasets, config.listing, Sources.from_config(config), None, left_out.append)
    assert table["path"].to_pylist() == [f"s3://{name}/good/a.png"]
    assert table["file_stamp"].to_pylist() == [None]
    (row,) = left_out[0].to_pylist()
    assert (row["path"], row["rule"]) == (f"s3://{name}/good/b.png", "object_too_large")


def test_a_dataset_of_which_all_is_refused_says_why(tmp_path: Path) -> None:
    (tmp_path / "p/good").mkdir(parents=True)
    for name, target in {"a.png": "/etc/hostname", "b.png": "/dev/zero", "c.png": "/etc/passwd"}.items():
        (tmp_path / "p/good" / name).symlink_to(target)
    with pytest.raises(ListingError) as raised:
        listed(config_of({"bucket": "p"}, base=tmp_path))
    assert str(raised.value) == (
        "dataset 'Set 0' (p): holds no image that may be read: left out are 2 by link_outside (the first good/a.png: "
        "a link to a file outside of the dataset; listing.follow_links: true would follow it); 1 by not_a_file (the "
        "first good/b.png: a link to a device, no file)"
    )


def test_a_dataset_whose_class_folders_are_links_out_of_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p/good").symlink_to("/etc")
    words = "left out are 1 by link_outside .the first good: a link to a folder outside of the dataset; listing.follow"
    with pytest.raises(ListingError, match=words):
        listed(config_of({"bucket": "p"}, base=tmp_path))


def test_a_dataset_that_is_a_link_itself_is_listed(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/deep/p/good/a.png")
    (tmp_path / "p").symlink_to("elsewhere/deep/p")
    (tmp_path / "up").symlink_to("elsewhere")
    for bucket in ("p", "up/deep/p"):
        assert listed(config_of({"bucket": bucket}, base=tmp_path))["path"].to_pylist() == [f"{bucket}/good/a.png"]
