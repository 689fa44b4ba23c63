"""Keys of split and listing that look sound and are not are refused at load, where they stand; roundings are none."""

from typing import Any

import pytest
from pydantic import ValidationError

from brev_pipeline.config import ListingSettings, SplitSettings, parse_config
from brev_pipeline.errors import ConfigError


def test_shares_that_sum_to_one_leave_nothing_to_the_remainder() -> None:
    settings = SplitSettings.model_validate({"purposes": {"train": 0.7, "test": 0.2, "val": 0.1}})
    assert settings.shares == {"train": 0.7, "test": 0.2, "val": 0.1, "devel": 0.0}


@pytest.mark.parametrize("names", ["", [], [""], ["ok", " "]])
def test_a_class_mapping_to_nothing_is_refused(names: Any) -> None:
    with pytest.raises(ValidationError, match="mapped to no category"):
        ListingSettings.model_validate({"class_mapping": {"a": names}})


@pytest.mark.parametrize(
    ("split", "key"),
    [
        ({"given": {"folder": True}}, "given.folder"),
        ({"given": {"folder": "0"}}, "given.folder"),
        ({"folds": 5.0}, "folds"),
    ],
)
def test_levels_and_folds_are_whole_numbers(split: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError) as error:
        SplitSettings.model_validate(split)
    assert [".".join(map(str, one["loc"])) for one in error.value.errors()] == [key]


def test_the_words_of_lists_are_purposes_or_translated() -> None:
    lists = {"held": "held.txt", "train": "train.txt"}
    with pytest.raises(ValidationError, match=r"\['held'\], which are no purposes .*given.words: {held: null}"):
        SplitSettings.model_validate({"given": {"lists": lists}})
    SplitSettings.model_validate({"given": {"lists": lists, "words": {"held": None}}})


def test_folds_are_drawn_where_purposes_are_null_and_train_is_not_one_of_them() -> None:
    text = "name: p\nstore: s\ndatasets: [{name: P, id: p, bucket: b}]\n"
    text += "split: {uniqueness: [folder], folds: 3, purposes: null}\n"
    config = parse_config(text)
    assert config.sampling.purposes == config.split.names == ["fold0", "fold1", "fold2"]
    with pytest.raises(ConfigError, match=r":5: sampling\.purposes: names \['train'\], .* with split\.folds, remove"):
        parse_config(text + "sampling: {purposes: [train]}\n")
    with pytest.raises(ConfigError, match=r"split\.folds"):
        parse_config(text.replace("folds: 3", "folds: 3.0"))
