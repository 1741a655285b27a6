"""SVG and PNG by ``dot``: nothing from outside, readable on dark pages, and clear words where it fails."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from brokerproof.reports import drawing
from brokerproof.reports.drawing import DotMissingError, DrawError, dot_digest, inline_svg, png, style, svg
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS
from brokerproof.topology.picture import DARK, picture

SVG = "{http://www.w3.org/2000/svg}"
TAGS = {
    f"{SVG}{tag}" for tag in ("svg", "title", "desc", "style", "g", "path", "polygon", "polyline", "ellipse", "text")
}
HOSTILE = '"]}; <script>alert(1)</script> & \\N \\\\ \x00\x1b\u202e]]> <BR/>'


def hostile() -> Topology:
    topology = PATTERNS["peering"].build()
    vpcs = tuple(vpc.model_copy(update={"region_name": HOSTILE + str(i % 2)}) for i, vpc in enumerate(topology.vpcs))
    return topology.model_copy(update={"vpcs": vpcs})


def drawn(topology: Topology) -> ET.Element:
    made = picture(topology)
    return ET.fromstring(svg(made.dot, title=made.title, description=made.description))


@pytest.fixture(scope="module", params=[*sorted(PATTERNS), "hostile"])
def root(request: pytest.FixtureRequest) -> ET.Element:
    return drawn(hostile() if request.param == "hostile" else PATTERNS[request.param].build())


def test_it_is_drawing_alone(root: ET.Element) -> None:
    assert {element.tag for element in root.iter()} <= TAGS
    assert sum(element.tag == f"{SVG}title" for element in root.iter()) == 1, "boxes keep Graphviz's names"
    names = {name for element in root.iter() for name in element.attrib}
    assert not {name for name in names if name.startswith("on") or "href" in name or name in {"id", "src"}}
    assert "url(" not in ET.tostring(root, encoding="unicode")


def test_it_has_a_name_and_a_description(root: ET.Element) -> None:
    assert root.get("role") == "img"
    title, description = root[0], root[1]
    assert title.tag == f"{SVG}title"
    assert description.tag == f"{SVG}desc"
    assert "through" in (description.text or "")


def test_every_colour_changes_on_a_dark_page(root: ET.Element) -> None:
    used = {element.get(what) for element in root.iter() for what in ("fill", "stroke")}
    plain = {colour for colour in used if colour not in {None, "none", "transparent"}}
    assert plain <= {ink.value for ink in DARK}
    assert all(f'[fill="{colour}"]{{fill:' in style() for colour in plain)


def test_there_is_no_background(root: ET.Element) -> None:
    assert "white" not in {element.get("fill") for element in root.iter()}


def test_it_says_which_text_it_was_drawn_from() -> None:
    made = picture(PATTERNS["in_vpc"].build())
    root = drawn(PATTERNS["in_vpc"].build())
    assert root.get("data-dot-sha256") == dot_digest(made.dot)
    assert dot_digest(made.dot) != dot_digest(made.dot + " ")


def test_hostile_words_are_shown_as_words() -> None:
    said = "".join(drawn(hostile()).itertext())
    assert "<script>alert(1)</script>" in said
    assert "\u202e" not in said


def test_on_a_page_it_shrinks_and_brings_no_style_of_its_own() -> None:
    made = picture(PATTERNS["in_vpc"].build())
    text = inline_svg(made.dot, title=HOSTILE, description=HOSTILE)
    assert "<style" not in text
    assert "<script" not in text
    widths = [int(w) for w in re.findall(r"width:(\d+)px", text)]
    assert widths[1] < widths[0], "the smallest width is not below the natural one"


def test_png_is_a_png() -> None:
    assert png(picture(PATTERNS["in_vpc"].build()).dot).startswith(b"\x89PNG\r\n")


def test_without_dot_the_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DotMissingError, match="Debian package graphviz"):
        png("digraph {}")


@pytest.mark.parametrize(
    ("does", "says"),
    [
        ("echo 'syntax error in line 1' >&2; exit 1", "dot ended with 1: syntax error in line 1"),
        ("exit 7", "dot ended with 7: it printed nothing"),
        ("echo no picture", "dot wrote no SVG"),
        ("exec sleep 30", "did not finish the picture within 0.3 s"),
    ],
)
def test_a_dot_that_fails_is_said_in_words(
    does: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "dot"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(drawing, "LONGEST_S", 0.3)
    with pytest.raises(DrawError, match=says):
        svg("digraph {}", title="t", description="d")
