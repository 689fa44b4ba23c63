import pytest

from brev_pipeline.config import ListingSettings
from brev_pipeline.listing.classes import ROOT, Namer, folder_name, kept


def categories(folder: str, mapping: dict[str, list[str]]) -> list[str]:
    return Namer(ListingSettings(class_mapping=mapping)).of_folder(folder).categories


@pytest.mark.parametrize(("folder", "name"), [("line1/good/", "good"), ("good/", "good"), ("", ROOT), ("a//", "a")])
def test_the_leaf_folder_names_the_images(folder: str, name: str) -> None:
    assert folder_name(folder) == name
    assert categories(folder, {}) == [name]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("A/", ["Tilted"]),
        ("A/1/", ["Crimp", "Cap"]),
        ("A/2/", ["Tilted"]),
        ("1/A/2/", ["Tilted"]),
        ("B/2/", ["2"]),
    ],
)
def test_the_nearest_mapped_folder_wins_from_leaf_to_root(folder: str, expected: list[str]) -> None:
    assert categories(folder, {"A": ["Tilted"], "1": ["Crimp", "Cap"]}) == expected


def test_the_root_can_be_mapped_and_is_the_last_resort() -> None:
    mapping = {ROOT: ["unsorted"], "good": ["ok"]}
    assert [categories(folder, mapping) for folder in ("", "x/", "good/")] == [["unsorted"], ["unsorted"], ["ok"]]


def test_classes_keep_their_own_categories_only() -> None:
    assert kept(["a", "b", "c"], ["c", "a"]) == ["a", "c"]
    assert kept(["a"], ["b"]) == []
    assert kept(["a"], None) == ["a"]
