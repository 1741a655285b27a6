"""The HTML report in a browser: what is seen first, sorting, the keyboard, print, small screens, dark and light."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page
from pypdf import PdfReader

from tests.browser.conftest import HEIGHT, NARROW, WIDE, Opener

pytestmark = pytest.mark.browser

KINDS = ("failing", "passing", "large", "marked")
A4 = 703
"""What is between the page's margins, at 96 dots an inch."""
NARROWEST = 320
"""WCAG 2.2, 1.4.10: content must not need scrolling in two directions from here on."""


def top_of(found: Locator) -> float:
    box = found.first.bounding_box()
    assert box is not None
    return box["y"]


def column(table: Locator, number: int) -> list[str]:
    found: list[str] = table.locator(f"tbody tr > :nth-child({number})").all_inner_texts()
    return found


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_verdict_and_the_first_finding_are_seen_without_scrolling(opened: Opener, width: int) -> None:
    page = opened("failing", width)
    assert page.title().startswith("Failed: brokerproof lab")
    assert page.locator("h1").inner_text() == "✗Failed"
    assert top_of(page.locator("h1")) < HEIGHT / 8
    finding = page.locator(".failures h3").first
    assert "One broker does not answer at any of its addresses" in finding.inner_text()
    assert top_of(finding) < HEIGHT / 2
    assert top_of(page.get_by_text("causes that clients alone cannot tell apart")) < HEIGHT / 2


def test_what_passed_says_so_at_once(opened: Opener) -> None:
    page = opened("passing")
    assert page.locator("h1").inner_text() == "✓Passed"
    assert page.locator(".failures").count() == 0
    assert top_of(page.locator("table.clients")) < HEIGHT / 2


# Sorting


def test_a_click_sorts_the_second_turns_round_the_third_undoes(opened: Opener) -> None:
    page = opened("failing")
    table = page.locator("table.clients").first
    head = table.locator("th", has_text="produce ack p50")
    written = column(table, 5)
    orders = [(head.get_attribute("aria-sort"), written)]
    for _ in range(3):
        head.locator("button").click()
        orders.append((head.get_attribute("aria-sort"), column(table, 5)))
    assert [order for order, _ in orders] == ["none", "ascending", "descending", "none"]
    figures = [text for text in written if text != "-"]
    rising = sorted(figures, key=lambda text: float(text.removesuffix(" ms").replace(",", "")))
    assert orders[1][1] == [*rising, *(["-"] * written.count("-"))]
    assert orders[2][1] == [*reversed(rising), *(["-"] * written.count("-"))]
    assert orders[3][1] == written
    assert rising != figures, "the table must not be in that order already"


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_the_keyboard_sorts_and_keeps_its_place(opened: Opener, key: str) -> None:
    page = opened("failing")
    table = page.locator("table.clients").first
    head = table.locator("th", has_text="Client")
    head.locator("button").focus()
    page.keyboard.press(key)
    names = column(table, 1)
    assert head.get_attribute("aria-sort") == "ascending"
    assert names == sorted(names)
    assert page.evaluate("document.activeElement.textContent") == "Client"
    page.keyboard.press("Tab")
    page.keyboard.press(key)
    assert table.locator("th", has_text="Pattern").get_attribute("aria-sort") == "ascending"
    assert head.get_attribute("aria-sort") == "none"


def test_every_column_of_every_table_can_be_sorted(opened: Opener) -> None:
    page = opened("failing")
    wrong = page.evaluate(
        """() => {
          const wrong = [];
          const value = (row, at) => row.cells[at].dataset.value ?? row.cells[at].textContent.trim();
          for (const table of document.querySelectorAll("table")) {
            const rows = [...table.tBodies[0].rows];
            if (rows.length < 2) continue;
            for (const head of table.tHead.rows[0].cells) {
              const at = head.cellIndex;
              head.querySelector("button").click();
              const sorted = [...table.tBodies[0].rows];
              const known = sorted.map((row) => value(row, at)).filter((one) => one !== "");
              const figures = known.map(Number);
              if (sorted.length !== rows.length || new Set(sorted).size !== rows.length) wrong.push(["rows", at]);
              if (!figures.some(Number.isNaN) && figures.some((one, n) => n && figures[n - 1] > one))
                wrong.push([head.textContent, ...known]);
              head.querySelector("button").click();
              head.querySelector("button").click();
              if ([...table.tBodies[0].rows].some((row, n) => row !== rows[n])) wrong.push(["undone", at]);
            }
          }
          return wrong;
        }"""
    )
    assert wrong == []
    assert page.locator("th button").count() > 30


# Keyboard and detail


def test_everything_that_can_be_used_is_reached_with_the_tab_key(opened: Opener) -> None:
    page = opened("failing")
    wanted: int = page.evaluate(
        """() => {
          const all = [...document.querySelectorAll("a[href], button, summary, [tabindex='0']")];
          window.met = new Set();
          document.addEventListener("focusin", (event) => window.met.add(event.target));
          return all.filter((one) => one.checkVisibility()).length;
        }"""
    )
    assert wanted > 50
    for _ in range(wanted):
        page.keyboard.press("Tab")
    assert page.evaluate("window.met.size") == wanted


def test_a_row_of_the_grid_leads_to_its_outcomes(opened: Opener) -> None:
    page = opened("failing")
    section = page.locator("section.client", has_text="billing").last
    detail = section.locator("details", has_text="broker-1, every outcome")
    assert not detail.evaluate("one => one.open")
    section.locator("table.grid a", has_text="broker-1").focus()
    page.keyboard.press("Enter")
    assert detail.evaluate("one => one.open")
    assert -1 < top_of(detail.locator("table")) < HEIGHT  # a scroll ends at whole pixels, a box need not


def test_all_detail_opens_and_folds(opened: Opener) -> None:
    page = opened("failing")
    everything = page.locator("details").count()
    button = page.get_by_role("button", name="Open all detail")
    button.click()
    assert page.locator("details[open]").count() == everything
    page.get_by_role("button", name="Fold all detail").click()
    assert page.locator("details[open]").count() == 0


def test_without_script_the_page_says_the_same(opened: Opener) -> None:
    with_script, without = opened("failing"), opened("failing", script=False)
    assert without.locator("button").count() == 0
    said = [page.locator("main").inner_text() for page in (with_script, without)]
    assert said[0].replace("↕", "") == said[1]


# Screens, print, dark and light


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [WIDE, NARROW, NARROWEST])
def test_the_page_never_scrolls_sideways(opened: Opener, kind: str, width: int) -> None:
    page = opened(kind, width)
    page.get_by_role("button", name="Open all detail").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_is_dark_and_paper_is_white(opened: Opener) -> None:
    page = opened("failing", dark=True)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    curve = page.locator("section.client svg path[style*='--plot-1']").first
    dark = curve.evaluate("one => getComputedStyle(one).stroke")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert curve.evaluate("one => getComputedStyle(one).stroke") != dark
    assert page.locator("button.all").is_hidden()


DIGEST = "9f2c4b1a77d0e35f8c6b1d2e3f4a5b6c7d8e9fa0b1c2d3e4f5061728394a5b6c"
"""Of a certificate, which is folded."""


def printed(page: Page) -> tuple[int, str]:
    """Pages on A4, and their text without spaces."""
    paper = PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True, format="A4")))
    assert {int(one.mediabox.width) for one in paper.pages} == {595}
    return len(paper.pages), "".join("".join(one.extract_text().split()) for one in paper.pages)


def test_print_shows_what_is_open_on_pages_that_nothing_sticks_out_of(opened: Opener) -> None:
    page = opened("failing", A4)
    clients = page.locator("section.client").count()
    pages, said = printed(page)
    assert said.startswith("✗Failed")
    assert "causesthatclientsalonecannottellapart" in said
    assert DIGEST not in said
    assert "Openalldetail" not in said
    assert clients / 2 <= pages <= 2 * clients
    page.get_by_role("button", name="Open all detail").click()
    page.emulate_media(media="print")
    wide = """() => [...document.querySelectorAll("table, svg, dd, pre")]
      .filter((one) => one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.outerHTML.slice(0, 200))"""
    assert page.evaluate(wide) == []
    more, everything = printed(page)
    assert DIGEST in everything
    assert pages < more <= 5 * clients


FRAMES = """() => [...document.querySelectorAll(".brokerproof-picture g")].flatMap((group) => {
  const frame = group.querySelector(":scope > path[fill='none'][stroke='#b42318'][stroke-width='3']")
    ?? group.querySelector(":scope > path[fill='none'][stroke='#b42318'][stroke-width='1.8']");
  if (!frame) return [];
  const words = [...group.querySelectorAll(":scope > text")].map((one) => one.textContent.trim())
    .filter(Boolean);
  const [box, inside] = [frame.getBBox(), group.querySelector(":scope > path").getBBox()];
  return [{
    words,
    sure: getComputedStyle(frame).strokeDasharray === "none",
    ink: getComputedStyle(frame).stroke,
    around: box.x < inside.x && box.y < inside.y && box.width > inside.width && box.height > inside.height,
  }];
})"""
"""Every frame of a mark in the picture: what is written in it, and how it looks."""
RED, LIGHT_RED = "rgb(180, 35, 24)", "rgb(255, 143, 133)"


@pytest.mark.parametrize(("dark", "ink"), [(False, RED), (True, LIGHT_RED)], ids=["light", "dark"])
def test_the_picture_shows_where_findings_sit(opened: Opener, dark: bool, ink: str) -> None:
    page = opened("marked", dark=dark)
    titles = page.locator(".failures h3").all_inner_texts()
    zone = 1 + next(place for place, title in enumerate(titles) if "private hosted zone has no record" in title)
    frames = page.evaluate(FRAMES)
    assert {frame["ink"] for frame in frames} == {ink}
    assert all(frame["around"] for frame in frames)
    sure = {frame["words"][0]: frame["words"][-1] for frame in frames if frame["sure"]}
    assert sure["private zone ZO"] == str(zone)
    assert "client account_b" in {frame["words"][0] for frame in frames if not frame["sure"]}
    pale = page.locator(".brokerproof-picture path[stroke='#1a7037'][stroke-opacity='0.15']")
    assert pale.count() > 0, "the way of client overlapping ends before its first line"
    assert page.get_by_text(f"Finding {zone} is marked at private zone ZO.", exact=True).is_visible()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_pictures_are_kept_for_people_to_look_at(
    opened: Opener, screenshots: Path, kind: str, dark: bool, width: int
) -> None:
    page = opened(kind, width, dark=dark)
    path = screenshots / f"report-{kind}-{width}-{'dark' if dark else 'light'}.png"
    page.screenshot(path=path, full_page=True)
    assert path.stat().st_size > 20_000
