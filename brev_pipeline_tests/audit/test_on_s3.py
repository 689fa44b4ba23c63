"""Verification, garbage and removal in a store on S3."""

import pytest

from brev_pipeline.audit import (
    GarbageRules,
    find_garbage,
    remake,
    remove_garbage,
    remove_version,
    trace_record,
    verify_store,
)
from brev_pipeline.store import Folder, PipelineStore, Version
from brev_pipeline_tests.audit.test_garbage import LATER, NOW
from brev_pipeline_tests.audit.worlds import World

pytestmark = pytest.mark.slow


def test_a_store_on_s3_is_verified_traced_cleaned_and_relieved_of_a_version(world: World, s3_folder: Folder) -> None:
    for file in world.root.rglob("*"):
        if file.is_file():
            s3_folder.write(str(file.relative_to(world.root)), file.read_bytes())
    s3_folder.write("staging/ab/shard", b"xyz")
    s3_folder.write(f"versions/{'0' * 16}/shard", b"xyz")
    store = PipelineStore(s3_folder)
    found = verify_store(store, every=True)
    assert found.is_well, found.contents()
    assert len(found.notes) == 1
    newest = Version(store.versions / world.newest.id, world.newest.id)
    assert remake(world.config, newest, records=4).same == 4
    assert trace_record(store, newest, purpose="test", shard=0, position=0)["record"]["purpose"] == "test"

    rules = GarbageRules(min_age=NOW, keep_runs=10)
    garbage = find_garbage(world.config, store, rules, now=LATER).garbage
    assert {one.kind for one in garbage} == {"staging", "unpublished version"}
    remove_garbage(store, garbage)
    assert store.staging_area.list_names() == []
    assert verify_store(store, every=True).notes == []

    remove_version(store, world.oldest.id, "old")
    assert (store.versions / world.oldest.id).list_names() == ["manifest.json"]
    again = verify_store(store, every=True)
    assert again.is_well
    assert again.versions[0].removed is not None

    entry = "publications/00000002.json"
    data = s3_folder.read(entry)
    s3_folder.remove(entry)
    s3_folder.write(entry, data.replace(b"root", b"toor") if b"root" in data else data[:-1])
    assert any(entry in problem for problem in verify_store(store).problems)
