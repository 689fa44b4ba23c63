"""The memory of identities gives back the newest that was found out, and grows only when there is news."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from brev_pipeline.store import Folder
from brev_pipeline.store.memory import COLUMNS, IdentityMemory
from brev_pipeline.tables import SAMPLE_INTEGRITY


@pytest.fixture
def memory(tmp_path: Path) -> IdentityMemory:
    return IdentityMemory(Folder(str(tmp_path)))


def integrity(*paths: str) -> pa.Table:
    known = {"size": 1, "modified": datetime(2026, 1, 1, tzinfo=UTC), "copies": 1, "label_conflict": False}
    rows = [dict.fromkeys(SAMPLE_INTEGRITY.names, "x") | known | {"path": path, "category": ["a"]} for path in paths]
    return pa.Table.from_pylist(rows, schema=SAMPLE_INTEGRITY)


def test_nothing_is_remembered_at_first(memory: IdentityMemory) -> None:
    assert memory.recall() is None


def test_the_newest_is_recalled(memory: IdentityMemory) -> None:
    assert memory.remember(integrity("a"), "run-1")
    assert memory.remember(integrity("a", "b"), "run-2")
    recalled = memory.recall()
    assert recalled is not None
    assert recalled.column_names == COLUMNS
    assert recalled["path"].to_pylist() == ["a", "b"]


def test_the_same_again_is_no_news(memory: IdentityMemory) -> None:
    memory.remember(integrity("a"), "run-1")
    assert not memory.remember(integrity("a"), "run-2")
    assert len(memory.folder.names()) == 1


def test_a_damaged_memory_is_no_memory(memory: IdentityMemory, tmp_path: Path) -> None:
    memory.remember(integrity("a"), "run-1")
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"damaged")
    assert memory.recall() is None
