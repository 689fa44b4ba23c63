"""Dagster's UI, driven as a person does it: the graph, the button that materializes it, green checks, red checks.

The pictures that are taken on the way are kept in the folder ``$BREV_PIPELINE_SCREENSHOTS`` names, or else in pytest's
folder for temporary files; docs/pictures holds some of them.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from brev_pipeline.config import load_config
from brev_pipeline.demo import draw_demo
from brev_pipeline.expectations import SUITES
from brev_pipeline.stages import VERSION
from brev_pipeline.store import PipelineStore
from brev_pipeline_tests.browser.screen import Screen, browser, pictures_folder
from brev_pipeline_tests.dagster_processes import REPOSITORY, Dagster, until
from brev_pipeline_tests.pipelines import SETTINGS, STAGES, draw_photos

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ASSETS = [*STAGES, VERSION]
CONFLICT = SETTINGS.replace("name: parts", "name: conflict")
"""A pipeline with one photo that is filed under two classes."""


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipelines") / "configs"
    folder.mkdir()
    draw_demo(folder.parent / "data/demo", seed=0, flaws=True)
    (folder / "demo.yaml").write_text((REPOSITORY / "configs/demo.yaml").read_text())
    draw_photos(folder / "photos", {"good": 6, "bad": 4})
    (folder / "photos/bad/77_0.png").write_bytes((folder / "photos/good/0_0.png").read_bytes())
    (folder / "conflict.yaml").write_text(CONFLICT)
    return folder


@pytest.fixture(scope="module")
def dagster(tmp_path_factory: pytest.TempPathFactory, configs: Path) -> Iterator[Dagster]:
    with Dagster(tmp_path_factory.mktemp("ui"), configs) as dagster:
        dagster.start_all()
        yield dagster


@pytest.fixture(scope="module")
def screen(dagster: Dagster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    with browser(dagster.url, pictures_folder(tmp_path_factory.mktemp("pictures"))) as screen:
        yield screen


def materialize_all(dagster: Dagster, screen: Screen) -> str:
    """Click the button, and wait for the run to have ended; its id."""
    before = {run["runId"] for run in dagster.runs()}
    screen.click("Materialize all")
    until(lambda: {run["runId"] for run in dagster.runs()} > before, 60)
    (run_id,) = {run["runId"] for run in dagster.runs()} - before
    dagster.wait(run_id, seconds=240)
    return str(run_id)


def test_the_graph_shows_the_seven_assets_of_a_group_in_the_order_of_the_flow(screen: Screen) -> None:
    screen.graph("demo")
    screen.page.get_by_text("Asset Group in").first.wait_for()
    assert screen.nodes(sorted(ASSETS)) == ASSETS
    assert screen.page.locator("foreignObject").filter(has_text="Latest event").count() == len(ASSETS)
    screen.shoot("graph-before")


def test_the_button_materializes_all_and_the_checks_turn_green(dagster: Dagster, screen: Screen, configs: Path) -> None:
    screen.graph("demo")
    run_id = materialize_all(dagster, screen)
    assert dagster.status(run_id) == "SUCCESS", dagster.failures(run_id)

    config = load_config(configs / "demo.yaml")
    for stage in ASSETS:
        screen.wait_for("Materialized", screen.node(stage))
    for stage in STAGES:
        rules = len(SUITES[stage](config))
        screen.wait_for(f"{rules} / {rules} Passed", screen.node(stage))
    screen.shoot("graph")
    newest = PipelineStore.from_config(config).newest_version()
    assert newest is not None
    assert newest[0].run_id == run_id


def test_every_check_of_an_asset_is_told_of_on_its_page(screen: Screen, configs: Path) -> None:
    screen.asset("demo", "prepared_images", "checks")
    rules = SUITES["prepared_images"](load_config(configs / "demo.yaml"))
    screen.wait_for(f"Checks ({len(rules)})")
    for rule in rules:
        screen.wait_for(rule.name)
    assert screen.page.get_by_text("Succeeded", exact=True).count() == len(rules)
    screen.page.get_by_text("few_quarantined", exact=True).first.click()
    screen.wait_for("Passed")
    screen.shoot("checks")


@pytest.mark.parametrize(
    "stage", ["raw_listing", "prepared_images", "sample_split", "sampling_weights", "tfrecord_shards"]
)
def test_the_metadata_of_a_stage_has_pictures_that_the_browser_can_draw(screen: Screen, stage: str) -> None:
    screen.asset("demo", stage, "events")
    # Dagster keeps long markdown, as a picture is, behind a click.
    screen.page.get_by_text("[Show Markdown]").first.click()
    picture = screen.page.locator("img[src^='data:image/png']").first
    picture.wait_for()
    until(lambda: bool(picture.evaluate("image => image.complete && image.naturalWidth >= 100")), 30)
    screen.shoot(f"picture-{stage}")


def test_the_version_says_where_it_lies(screen: Screen, configs: Path) -> None:
    screen.asset("demo", VERSION, "events")
    newest = PipelineStore.from_config(load_config(configs / "demo.yaml")).newest_version()
    assert newest is not None
    screen.page.get_by_text(newest[1].id).first.wait_for()
    screen.shoot("version")


def test_a_failing_check_shows_red_and_stops_what_comes_after(dagster: Dagster, screen: Screen, configs: Path) -> None:
    screen.graph("conflict")
    run_id = materialize_all(dagster, screen)
    assert dagster.status(run_id) == "FAILURE"

    rules = len(SUITES["sample_integrity"](load_config(configs / "conflict.yaml")))
    screen.wait_for(f"{rules - 1} / {rules} Passed", screen.node("sample_integrity"))
    for stage in ("raw_listing", "sample_integrity"):
        screen.wait_for("Materialized", screen.node(stage))
    for stage in ASSETS[2:]:
        screen.wait_for("Failed", screen.node(stage))
    screen.shoot("graph-failed")
    assert PipelineStore.from_config(load_config(configs / "conflict.yaml")).newest_version() is None

    screen.asset("conflict", "sample_integrity", "checks")
    screen.page.get_by_text("no_label_conflict", exact=True).first.click()
    screen.wait_for("Failed")
    screen.page.get_by_text("photos/bad/77_0.png").first.wait_for()
    screen.shoot("check-failed")
    screen.run(run_id)
    screen.page.get_by_text("conflict__sample_integrity").first.wait_for()
    screen.shoot("run-failed")


def test_one_check_is_run_by_itself_from_its_page(dagster: Dagster, screen: Screen) -> None:
    before = {run["runId"] for run in dagster.runs()}
    screen.asset("demo", "prepared_images", "checks")
    screen.page.get_by_text("few_quarantined", exact=True).first.click()
    # The first one says "Execute all".
    screen.page.get_by_role("button", name="Execute").nth(1).click()
    until(lambda: {run["runId"] for run in dagster.runs()} > before, 60)
    (run_id,) = {run["runId"] for run in dagster.runs()} - before
    dagster.wait(run_id, seconds=240)
    assert dagster.status(run_id) == "SUCCESS", dagster.failures(run_id)
    assert dagster.evaluated(run_id) == ["few_quarantined"]
