"""Names in a bucket are whatever somebody wrote. None of them may become markup, hide, or give a secret away."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brev_pipeline.report import build_report
from brev_pipeline_tests.report.pages import Page
from brev_pipeline_tests.report.world import Photo, checks_of, configuration, inputs_of, photos

NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}",
    "]]><!--",
    "</style></title></textarea>",
    "שלום عالم",
    "evil\u202egpj.exe",
    "javascript:alert(1)",
    "&lt;b&gt;&amp;",
    "long" * 500,
    "a\x07b",
]


def reported(names: list[str], **more: Any) -> bytes:
    found = photos(len(names) * 4, [name.replace("/", "∕") for name in names])
    return build_report(inputs_of(found, **more))["index.html"]


def plain(page: bytes) -> Page:
    """The page, known to hold nothing that could act."""
    read = Page(page)
    allowed = {"img", "a", "details", "summary", "svg", "symbol", "use", "path", "circle", "meta", "link", "style"}
    for tag, attributes in read.elements:
        assert tag not in {"script", "iframe", "object", "embed", "form", "input", "button", "base"}, tag
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("src", "href"):
            value = attributes.get(name) or "#"
            assert tag in allowed or name not in attributes
            assert value.startswith(("#", "data:")) or value == "data_docs/index.html", value
    return read


def test_nasty_class_names_stay_text() -> None:
    page = plain(reported(NASTY, data_docs="data_docs/index.html"))
    assert "<script>alert(1)<∕script>" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert r"evil\u202egpj.exe" in page.text
    assert r"a\u0007b" in page.text
    assert "שלום عالم" in page.text
    assert "(2,000 characters)" in page.text


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\x00\n"), min_size=1, max_size=30).filter(
            lambda name: name.strip(". ")
        ),
        min_size=1,
        max_size=4,
        unique=True,
    )
)
def test_no_class_name_becomes_markup(names: list[str]) -> None:
    page = plain(reported(names, pixels=None))
    assert len(page.tags("h1")) == 1


def test_nasty_paths_reasons_and_notes_stay_text() -> None:
    found = photos(12, ["good", "bad"])
    bad = [Photo(f"{found[0].path[:-5]}{n}", "good", str(n), str(n), "corrupt", name) for n, name in enumerate(NASTY)]
    noted = [Photo(f"s3://plant/vials/good/{name.replace('/', '∕')}", "good", name, name, note=name) for name in NASTY]
    page = plain(build_report(inputs_of([*found, *bad, *noted]))["index.html"])
    assert page.text.count("' onmouseover='alert(1)") >= 2


def test_nasty_settings_and_checks_stay_text() -> None:
    config = configuration(
        datasets=[{"name": NASTY[0], "id": NASTY[1], "bucket": "s3://plant/vials", "reference": NASTY[2]}]
    )
    checks = checks_of(config)
    checks["raw_listing"][0] |= {"says": NASTY[0], "passed": False, "severity": "warn", "offending": 3}
    page = build_report(inputs_of(photos(12, ["good", "bad"]), config, checks=checks))["index.html"]
    assert NASTY[0] in plain(page).text


def test_no_credential_reaches_the_page() -> None:
    """No configuration may hold one any more, but versions of older releases do: nothing validates what is set here."""
    secret = "hunter2/x?y"
    config = configuration(datasets=[{"name": "Vials", "id": "vials", "bucket": "s3://plant/vials"}])
    (vials,) = config.datasets
    storage = vials.storage.model_copy(update={"endpoint_url": "https://root:pa55w0rd@store.example:9000"})
    reference = f"https://me:{secret}@wiki/page?token=abc123def"
    vials = vials.model_copy(update={"reference": reference, "storage": storage})
    config = config.model_copy(update={"datasets": [vials]})
    found = [
        *photos(12, ["good", "bad"]),
        Photo(
            "s3://plant/vials/good/x.png",
            "good",
            "x",
            "x",
            "missing",
            f"GET https://k:{secret}@h/x?X-Amz-Signature=5e55 failed",
        ),
    ]
    page = build_report(inputs_of(found, config))["index.html"].decode()
    for word in ("hunter2", "pa55w0rd", "abc123def", "=5e55", "me:hunt", "root:pa"):
        assert word not in page, word
    assert "https://wiki/page?…" in page
    assert "https://store.example:9000" in page
