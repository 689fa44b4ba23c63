"""What a version is made of has the same bytes for the same content."""

from brev_pipeline.store.versions import file_facts, to_json, version_id


def test_json_bytes_depend_on_content_alone() -> None:
    assert to_json({"b": 1, "a": "ü"}) == to_json({"a": "ü", "b": 1})


def test_an_id_is_the_beginning_of_the_manifests_hash() -> None:
    assert version_id(b"") == file_facts(b"")["sha256"][:16] == "e3b0c44298fc1c14"
