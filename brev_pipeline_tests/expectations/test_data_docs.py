"""Data Docs stand alone: every rule, what was observed, the rows that break it; nothing from outside, no clock."""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from brev_pipeline.expectations import SUITES
from brev_pipeline.expectations.data_docs import keep_finding, render_data_docs, render_stage_page
from brev_pipeline.expectations.frames import Baseline, build_frames
from brev_pipeline.expectations.validate import validate_frames
from brev_pipeline_tests.expectations.test_suites import build
from brev_pipeline_tests.held import held
from brev_pipeline_tests.pipelines import configure

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def verdicts(folder: Path, tables: dict[str, pa.Table]) -> dict[str, list[dict[str, Any]]]:
    """What the checks would keep, through JSON as in the store."""
    config = configure(folder)
    found = {}
    for stage, suite in SUITES.items():
        findings = validate_frames(suite(config), build_frames(stage, held(tables), config, Baseline()))
        found[stage] = json.loads(json.dumps([keep_finding(finding) for finding in findings], default=str))
    return found


def replaced(table: pa.Table, column: str, values: list[Any]) -> pa.Table:
    place = table.schema.get_field_index(column)
    field = table.schema.field(column)
    return table.set_column(place, field, pa.array(values, field.type))


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Verdicts on tables of which one purpose, and one path, are an attack on the page."""
    tables = build()
    split = tables["sample_split"]
    purposes, paths = split["purpose"].to_pylist(), split["path"].to_pylist()
    tables["sample_split"] = replaced(
        replaced(split, "purpose", [EVIL, *purposes[1:]]), "path", [EVIL + paths[0], *paths[1:]]
    )
    return verdicts(tmp_path_factory.mktemp("docs"), tables)


def test_there_is_a_page_for_every_stage_and_an_index_that_links_them(broken: dict[str, Any]) -> None:
    files = render_data_docs(broken)
    assert set(files) == {"data_docs/index.html", *(f"data_docs/{stage}.html" for stage in SUITES)}
    index = files["data_docs/index.html"].decode()
    assert all(f'href="{stage}.html"' in index for stage in SUITES)


def test_a_page_shows_every_rule_and_what_great_expectations_says_of_it(broken: dict[str, Any], tmp_path: Path) -> None:
    page = render_data_docs(broken)["data_docs/sample_split.html"].decode()
    for rule in SUITES["sample_split"](configure(tmp_path)):
        assert rule.says.replace("'", "&#39;") in page
        assert f'id="{rule.name}"' in page
    assert "values must belong to this set" in page
    assert "1 unexpected values found." in page


def test_what_images_are_called_cannot_become_part_of_the_page(broken: dict[str, Any]) -> None:
    for data in render_data_docs(broken).values():
        page = data.decode()
        assert "<script" not in page
        assert "<img" not in page


def test_a_page_refers_to_nothing_outside(broken: dict[str, Any]) -> None:
    for data in render_data_docs(broken).values():
        page = data.decode()
        assert not re.findall(r"(?:https?:)?//[\w.-]+", page)
        assert "url(" not in page
        links = re.findall(r"""<[a-z][^>]*\s(?:href|src)=["']?([^"'\s>]+)""", page)
        assert {link for link in links if not link.endswith(".html")} <= {"data:,"}


def test_the_same_results_give_the_same_bytes_without_clock_run_or_place(
    broken: dict[str, Any], tmp_path: Path
) -> None:
    files = render_data_docs(broken)
    assert files == render_data_docs(json.loads(json.dumps(broken)))
    for data in files.values():
        assert not re.search(rb"20\d\d-\d\d-\d\d|20\d{6}T", data)
        assert str(tmp_path.parents[2]).encode() not in data
        assert b"site-packages" not in data


def test_two_validations_of_the_same_tables_give_the_same_pages(tmp_path: Path) -> None:
    one, two = (render_data_docs(verdicts(tmp_path, build())) for _ in range(2))
    assert one == two


def test_a_rule_that_could_not_be_applied_shows_its_reason(tmp_path: Path) -> None:
    config, tables = configure(tmp_path), build()
    own = build_frames("sample_split", held(tables), config, Baseline())
    own["rows"] = own["rows"].drop(columns=["leak_group_whole"])
    findings = validate_frames(SUITES["sample_split"](config), own)
    page = render_stage_page("sample_split", [keep_finding(finding) for finding in findings]).decode()
    assert "does not exist" in page
    assert "Traceback" not in page


def test_a_stage_without_results_has_a_page_all_the_same() -> None:
    files = render_data_docs({"raw_listing": []})
    assert b"0 of 0 rules kept" in files["data_docs/raw_listing.html"]


@pytest.mark.slow
def test_in_a_browser_the_pages_load_without_an_error_or_a_request(broken: dict[str, Any], tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    if not Path("/usr/bin/chromium").is_file():
        pytest.skip("there is no Chromium on this machine")
    for name, data in render_data_docs(broken).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    said: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or said.append(request.url))
        page.goto(f"file://{tmp_path}/data_docs/index.html")
        for stage in SUITES:
            page.get_by_role("link", name=stage, exact=True).click()
            assert page.get_by_role("heading", name=stage, exact=True).is_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        browser.close()
    assert said == []
