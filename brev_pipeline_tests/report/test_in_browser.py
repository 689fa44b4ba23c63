"""The page in a real browser: headless Chromium, from a file, without a network."""

import dataclasses
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from brev_pipeline.images import PreparedPixels
from brev_pipeline.report import ReportInputs, build_report
from brev_pipeline.store import StoredTable
from brev_pipeline_tests.pipelines import configure, draw_photos, run, table_name
from brev_pipeline_tests.report.test_hostile_names import NASTY
from brev_pipeline_tests.report.world import Photo, checks_of, configuration, inputs_of, photos, published

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CHROMIUM = shutil.which("chromium") or ""
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}

# Text whose contrast with what lies behind it is below 4.5, the least that WCAG 2.2 asks for (1.4.3, AA).
PALE = """() => {
  const parse = c => { const [r, g, b, a = 1] = c.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const linear = v => v / 255 <= .04045 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(linear).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor); if (c[3] > .99) return c; } return [255, 255, 255, 1]; };
  const pale = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !e.checkVisibility() || e.closest('svg')) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) pale.push(e.tagName + '.' + e.className + ': ' + e.textContent.slice(0, 40));
  }
  return pale;
}"""
NAMED = {"image", "img", "link", "button", "region", "navigation", "table", "DisclosureTriangle"}


def _flawed(folder: Path) -> ReportInputs:
    """Everything at once: hostile names, many classes, copies, conflicts, quarantine, a parent."""
    names = [name.replace("/", "∕") for name in NASTY] + [f"class_{number}" for number in range(12)]
    base = photos(400, names)
    rare = next(photo for photo in base if photo.category == "class_3")
    extra = [
        dataclasses.replace(base[0], path=base[0].path[:-4] + "_copy.png"),
        dataclasses.replace(rare, path=base[2].path[:-4] + "_wrong.png", category=names[0]),
        Photo(base[4].path[:-4] + "_cut.png", names[0], "cut", "cut", "corrupt", "x" * 400),
        Photo(base[4].path[:-4] + "_noted.png", names[0], "noted", "noted", note="first page of 3"),
    ]
    checks = checks_of(configuration(), warned=("not_blank",))
    parent = published(folder, inputs_of(base[3:], checks=checks))
    return inputs_of([*base, *extra], checks=checks, parent=parent, data_docs="data_docs/index.html")


def _real(folder: Path) -> ReportInputs:
    """A version that the pipeline itself published."""
    draw_photos(folder / "photos", {"good": 12, "scratch": 4, "dent": 3})
    config = configure(folder)
    done = run(config)
    assert done.success, done.failures
    newest = done.store.newest_version()
    assert newest is not None
    publication, version = newest

    def of_stage(stage: str) -> StoredTable:
        return StoredTable(done.store.tables, table_name(done.store, publication.run_id, stage))

    return ReportInputs(
        manifest=version.read_manifest(),
        version=version.id,
        listing=of_stage("sample_integrity"),
        images=of_stage("prepared_images"),
        split=of_stage("sample_split"),
        weights=StoredTable(version.folder, "weights.parquet"),
        records=StoredTable(version.folder, "records.parquet"),
        exclusions=version.read_table("exclusions"),
        number=publication.number,
        pixels=PreparedPixels(done.store.prepared_pixels),
    )


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    found = {}
    for name, made in {"flawed": _flawed, "real": _real}.items():
        folder = tmp_path_factory.mktemp(name)
        for file, data in build_report(made(folder)).items():
            (folder / file).write_bytes(data)
        found[name] = (folder / "index.html").as_uri()
    return found


@pytest.fixture(scope="module", params=["flawed", "real"])
def address(request: pytest.FixtureRequest, addresses: dict[str, str]) -> str:
    return addresses[request.param]


# Behind the addresses: the pipeline's run must not meet Playwright's event loop.
@pytest.fixture(scope="module")
def browser(addresses: dict[str, str]) -> Iterator[Any]:
    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=[(size, scheme) for size in SIZES for scheme in ("light", "dark")], ids="-".join)
def page(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[Any]:
    """The page with everything unfolded."""
    size, scheme = request.param
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.heard, page.asked = [], []
    page.on("console", lambda message: page.heard.append(message.text))
    page.on("pageerror", lambda error: page.heard.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.wait_for_function("[...document.images].every(one => one.complete)")
    yield page
    context.close()


def test_nothing_is_asked_for_and_nothing_goes_wrong(page: Any, address: str) -> None:
    assert [url for url in page.asked if not url.startswith("data:")] == [address]
    assert page.heard == []
    assert page.evaluate("[...document.images].filter(one => !one.naturalWidth).length") == 0


def test_nothing_is_wider_than_the_window(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


def test_text_stands_out(page: Any) -> None:
    assert page.evaluate(PALE) == []


def test_the_colours_follow_the_readers_choice(page: Any, request: pytest.FixtureRequest) -> None:
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    dark = sum(map(int, paper[4:-1].split(","))) < 200
    assert dark == page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")


def test_everything_that_matters_has_a_name(page: Any) -> None:
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    roles = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    assert [role for role, name in roles if role in NAMED and not name.strip()] == []
    assert {"main", "navigation", "banner", "contentinfo", "heading", "table", "image"} <= {role for role, _ in roles}


def test_headings_lead_down_without_a_gap(page: Any) -> None:
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(one => +one.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_section_can_be_reached_by_keyboard(page: Any) -> None:
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    for link in page.locator("nav a").all():
        link.press("Enter")
        target = link.get_attribute("href")
        assert page.locator(target).count() == 1
        assert page.url.endswith(target)


def test_on_paper_nothing_stays_folded(page: Any) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = false)")
    page.emulate_media(media="print")
    assert page.locator("#provenance pre").last.evaluate("one => one.getBoundingClientRect().height") > 100
    assert not page.locator("nav").is_visible()
    page.emulate_media(media="screen")
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
