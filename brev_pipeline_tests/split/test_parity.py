"""The reference's assignments, sample for sample, wherever its result is well defined."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from brev_pipeline import SampleSplit
from brev_pipeline.errors import SplitError
from brev_pipeline.split import assign_purposes
from brev_pipeline_tests.split.test_properties import configured


def read_listing(shared: Path, case: dict[str, Any]) -> pd.DataFrame:
    samples = pd.read_csv(shared / "parity" / "listings" / f"{case['listing']}.csv")
    order = case["settings"].get("row_order")
    if order == "reversed":
        return samples[::-1]
    return samples.sample(frac=1, random_state=1) if order else samples


def assign(samples: pd.DataFrame, settings: dict[str, Any]) -> pd.DataFrame:
    keys = ("stratification", "uniqueness", "split", "seed")
    split = SampleSplit(method=settings["mode"], **{key: settings[key] for key in keys})
    return split.assign(samples, settings["purpose"], settings["remainder"])


def nodes(samples: pd.DataFrame, settings: dict[str, Any]) -> tuple[pd.Series, pd.Series]:
    """Stratum, and item within the stratum, of every row."""

    def key(spec: str | list[str] | None, default: pd.Series) -> pd.Series:
        if isinstance(spec, str):
            return samples["path"].str.extract(spec)[0]
        if not spec:
            return default
        first, *others = (samples[column].astype(str) for column in spec)
        return first.str.cat(pd.concat(others, axis=1), sep="|") if others else first

    stratum = key(settings["stratification"], pd.Series("", samples.index))
    return stratum, stratum + "|" + key(settings["uniqueness"], samples["etag"])


def divided(samples: pd.DataFrame, item: pd.Series, reference: pd.Series) -> pd.Series:
    """Whether the reference puts the row's leak group on two sides."""
    group = item.copy()
    for _ in range(0 if samples["etag"].is_unique else len(samples)):
        joined = group.groupby(samples["etag"]).transform("min").groupby(item).transform("min")
        if (joined == group).all():
            break
        group = joined
    return reference.groupby(group).transform("nunique") > 1


def case_names() -> list[str]:
    # Names only, so that the tests can be collected without the shared folder.
    file = Path(__file__).resolve().parents[3] / "shared" / "parity" / "splits" / "cases.json"
    return [case["case"] for case in json.loads(file.read_text())["cases"]] if file.is_file() else ["L1_000"]


@pytest.fixture(scope="module")
def cases(shared: Path) -> dict[str, dict[str, Any]]:
    cases = json.loads((shared / "parity" / "splits" / "cases.json").read_text())["cases"]
    return {case["case"]: case for case in cases}


@pytest.mark.parametrize("name", case_names())
def test_reference_is_reproduced_where_it_is_right(shared: Path, cases: dict[str, dict[str, Any]], name: str) -> None:
    case = cases[name]
    samples, settings = read_listing(shared, case), case["settings"]
    if case["status"] != "ok":
        with pytest.raises(SplitError, match=r"does not match 16 of 88 paths: .*IMG-00"):
            assign(samples, settings)
        return
    before = samples.copy()
    ours = assign(samples, settings)
    pd.testing.assert_frame_equal(samples, before)
    if case["then"]:
        ours = assign(ours, settings | case["then"])
    reference = pd.read_csv(shared / "parity" / "splits" / f"{case['listing']}.csv", index_col="path")[name]
    reference = reference.reindex(ours["path"]).set_axis(ours.index)

    given = samples["purpose"] if "purpose" in samples else pd.Series(None, samples.index, dtype="str")
    assert (ours["purpose"][given.notna()] == given[given.notna()]).all()
    stratum, item = nodes(samples, settings)
    # The reference draws once more in a stratum that has its share already.
    trained = (given == settings["purpose"]).groupby(item).transform("any")
    share = trained.groupby(stratum).transform("mean")
    met = (share > 0) & (share >= settings["split"] - 1e-9)
    undefined = given.notna() | divided(samples, item, reference) | met
    assert ours["purpose"][~undefined].fillna("").tolist() == reference[~undefined].fillna("").tolist()
    assert undefined.sum() < len(samples) / 2 or "purpose" in samples


@pytest.mark.parametrize("method", ["sorted_permutation", "murmurhash3"])
def test_the_seed_data_set_splits_the_same_in_the_pipeline(
    shared: Path, cases: dict[str, dict[str, Any]], method: str
) -> None:
    import pyarrow as pa

    from brev_pipeline.split import SELECTED_SAMPLES
    from brev_pipeline.tables import conform_table

    case = next(c for c in cases.values() if c["listing"] == "L1_seed180" and c["settings"]["mode"] == method)
    frame = read_listing(shared, case).fillna("N/A")
    frame = frame.assign(category=frame["folder"].map(lambda folder: [folder]), content_id=frame["etag"])
    samples = conform_table(pa.Table.from_pandas(frame.assign(pixel_id=frame["etag"])), SELECTED_SAMPLES, "samples")
    settings = configured(uniqueness=case["settings"]["uniqueness"], uniqueness_scope="stratum", seed=42, method=method)
    split = assign_purposes(samples, settings).to_pandas().set_index("path")["purpose"]
    reference = pd.read_csv(shared / "parity" / "splits" / "L1_seed180.csv", index_col="path")[case["case"]]
    assert split.to_dict() == reference.to_dict()


def test_the_notebooks_own_split(shared: Path) -> None:
    samples = pd.read_csv(shared / "parity" / "listings" / "L1_seed180.csv")
    split = SampleSplit(
        stratification=["folder"], uniqueness=r"/(\d*)_\d*.bmp", split=0.8, seed=42, method="sorted_permutation"
    )
    ours = split.assign(samples)
    counts = ours.groupby(["folder", "purpose"]).size().to_dict()
    assert {key: counts[key] for key in [("bad_cap", "devel"), ("good", "devel"), ("missing_cap", "devel")]} == {
        ("bad_cap", "devel"): 6,
        ("good", "devel"): 28,
        ("missing_cap", "devel"): 2,
    }
    bad = ours[(ours["folder"] == "bad_cap") & (ours["purpose"] == "devel")]
    assert set(bad["path"].str.extract(r"/(\d*)_")[0]) == {"2", "5", "6"}
