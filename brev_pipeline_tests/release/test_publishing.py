"""A version with its report: the manifest accounts for the data, the publication for the report."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from brev_pipeline.errors import StoreError
from brev_pipeline.release.publishing import LazyArtifact, Release, publish_version
from brev_pipeline.store import Folder, PipelineStore, Version
from brev_pipeline.store.parquet import to_parquet
from brev_pipeline.store.versions import file_facts
from brev_pipeline_tests.pipelines import has_its_files


@pytest.fixture
def store(tmp_path: Path) -> PipelineStore:
    return PipelineStore(Folder(str(tmp_path / "store")))


def tells(version: Version, parent: Version | None, number: int) -> Mapping[str, bytes]:
    return {"index.html": f"{version.id} after {parent and parent.id}, {number}".encode(), "docs/a.html": b"docs"}


def publish(store: PipelineStore, content: str, report=tells) -> Release:
    store.staging_area.write(f"{content}.shard", content.encode())
    return publish_version(
        store,
        shards_in=store.staging_area,
        shards={f"{content}.shard": file_facts(content.encode())},
        extras={"records.parquet": to_parquet(pa.table({"path": [content]})), "note.txt": b"note"},
        account={"format": 1},
        run_id="run",
        report=report,
    )


def test_the_report_knows_the_version_before_it_and_the_id_does_not(store: PipelineStore, tmp_path: Path) -> None:
    first, second = publish(store, "one"), publish(store, "two")
    told = second.version.folder.read("report/index.html").decode()
    assert told == f"{second.version.id} after {first.version.id}, 2"
    elsewhere = PipelineStore(Folder(str(tmp_path / "elsewhere")))
    assert publish(elsewhere, "two").version.id == second.version.id


def test_the_publication_accounts_for_the_report_and_the_manifest_for_all_else(store: PipelineStore) -> None:
    done = publish(store, "one")
    data = done.version.folder.read("report/index.html")
    assert done.publication.report == {"docs/a.html": file_facts(b"docs"), "index.html": file_facts(data)}
    assert sorted(done.version.read_manifest()["files"]) == ["note.txt", "one.shard", "records.parquet"]
    assert has_its_files(done.version)
    assert store.publications.read_all() == [done.publication]


def test_a_report_that_a_stopped_run_left_gives_way(store: PipelineStore) -> None:
    def stops(version: Version, parent: Version | None, number: int) -> Mapping[str, bytes]:
        version.folder.write("report/index.html", b"of a run that was killed here")
        version.folder.write("report/more.html", b"too")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(store, "one", stops)
    assert store.publications.read_all() == []
    done = publish(store, "one")
    assert sorted((done.version.folder / "report").walk()) == ["docs/a.html", "index.html"]
    assert file_facts(done.version.folder.read("report/index.html")) == done.publication.report["index.html"]


def test_a_version_that_is_published_again_keeps_its_report(store: PipelineStore) -> None:
    first, _, again = publish(store, "one"), publish(store, "two"), publish(store, "one")
    assert again.is_new
    assert again.publication.number == 3
    assert again.publication.report == first.publication.report
    assert again.version.folder.read("report/index.html").decode().endswith("after None, 1")


def test_a_file_that_is_made_when_wanted_is_made_for_its_facts_and_for_what_is_new(store: PipelineStore) -> None:
    calls = []

    def make() -> bytes:
        calls.append(1)
        return b"large"

    def once() -> Release:
        extras = {"table": LazyArtifact.from_maker(make)}
        account = {"format": 1}
        return publish_version(
            store, shards_in=store.staging_area, shards={}, extras=extras, account=account, run_id="run"
        )

    first = once()
    assert (first.is_new, len(calls)) == (True, 2)
    assert first.version.folder.read("table") == b"large"
    assert first.version.read_manifest()["files"]["table"] == file_facts(b"large")
    assert (once().is_new, len(calls)) == (False, 3)


def test_a_file_that_comes_out_otherwise_the_second_time_is_not_published(store: PipelineStore) -> None:
    made = iter([b"one", b"two"])
    extras = {"table": LazyArtifact.from_maker(lambda: next(made))}
    with pytest.raises(StoreError, match="table came out otherwise when it was made again"):
        publish_version(
            store,
            shards_in=store.staging_area,
            shards={},
            extras=extras,
            account={"format": 1},
            run_id="run",
        )
    assert store.publications.read_all() == []
    assert "table" not in [
        name for folder in store.versions.list_names() for name in (store.versions / folder).list_names()
    ]


def test_a_report_that_fails_publishes_nothing(store: PipelineStore) -> None:
    def fails(*_: object) -> Mapping[str, bytes]:
        raise StoreError("as the test wants")

    with pytest.raises(StoreError, match="as the test wants"):
        publish(store, "one", fails)
    assert store.publications.read_all() == []
    assert publish(store, "one", None).publication.report == {}


@pytest.mark.parametrize(("classes", "stands"), [(["a", "b"], True), (["b", "a"], False), (["a"], False)])
def test_a_split_of_an_older_ledger_is_published_only_with_the_newest_labels(
    store: PipelineStore, classes: list[str], stands: bool
) -> None:
    def made(note: bytes, own: list[str], based_on: int) -> Release:
        return publish_version(
            store,
            shards_in=store.staging_area,
            shards={},
            extras={"assignments.parquet": to_parquet(pa.table({"path": ["one"]})), "note.txt": note},
            account={"format": 1, "classes": own},
            run_id="run",
            based_on=based_on,
            datasets={"photos": "../photos"},
        )

    first = made(b"first", ["a", "b"], 0)
    assert store.publications.read_newest() == first.publication
    assert first.publication.datasets == {"photos": "../photos"}
    if stands:
        assert made(b"second", classes, 0).publication.number == 2
    else:
        with pytest.raises(StoreError, match="this split was made after publication 0"):
            made(b"second", classes, 0)
    assert made(b"third", classes, len(store.publications.read_all())).is_new
