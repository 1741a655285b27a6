"""The pages of the patterns: each there, linked, and as the code is today."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from brokerproof.lab.faults import FAULTS
from brokerproof.topology.patterns import PATTERNS
from tools import pattern_pages
from tools.pattern_pages import FOLDER, PageError, drawn_from, filled, main, out_of_date, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "patterns"
    shutil.copytree(FOLDER, copy)
    return copy


def test_pictures_and_tables_are_those_of_today() -> None:
    assert list(out_of_date(FOLDER)) == [], "run: make pictures"


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_each_page_shows_its_picture_and_is_linked(name: str) -> None:
    page = (FOLDER / f"{name}.md").read_text()
    assert f"]({name}.svg)" in page
    assert f"topology show {name}" in page
    assert f"({name}.md)" in (FOLDER / "README.md").read_text()


@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.md")), ids=lambda page: page.stem)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text())
    assert links
    assert not [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.md")), ids=lambda page: page.stem)
def test_a_fault_that_a_page_tells_to_try_is_of_its_pattern(page: Path) -> None:
    for name in re.findall(r"lab break (\S+)", page.read_text()):
        assert page.stem in FAULTS[name].patterns


def test_another_picture_is_out_of_date(folder: Path) -> None:
    picture = folder / "peering.svg"
    picture.write_text(picture.read_text().replace(drawn_from(picture.read_text()), "0" * 64))
    assert list(out_of_date(folder)) == ["peering.svg"]
    (folder / "in_vpc.svg").unlink()
    assert set(out_of_date(folder)) == {"in_vpc.svg", "peering.svg"}
    write(folder)
    assert list(out_of_date(folder)) == []


def test_another_table_is_out_of_date_and_what_is_written_by_hand_stays(folder: Path) -> None:
    page = folder / "peering.md"
    whole = page.read_text()
    page.write_text(whole.replace("| `peering-deleted` |", "| `peering-deleted-long-ago` |") + "\nBy hand.\n")
    assert list(out_of_date(folder)) == ["peering.md"]
    write(folder)
    assert page.read_text() == whole + "\nBy hand.\n"


@pytest.mark.parametrize("part", ["clients", "must fail", "faults"])
def test_a_page_without_a_mark_is_said_in_words(part: str) -> None:
    topology = PATTERNS["in_vpc"].build()
    text = (FOLDER / "in_vpc.md").read_text().replace(f"<!-- {part}:", "<!--")
    with pytest.raises(PageError, match=rf"in_vpc\.md lacks the mark '<!-- {part}:"):
        filled(text, "in_vpc", topology)


def test_the_command_says_what_is_out_of_date(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pattern_pages, "FOLDER", folder)
    assert main(["--check"]) == 0
    (folder / "in_vpc.svg").write_text("<svg/>")
    assert main(["--check"]) == 1
    assert "in_vpc.svg: out of date, run make pictures" in capsys.readouterr().err
    assert main([]) == 0
    assert main(["--check"]) == 0
    (folder / "in_vpc.md").unlink()
    assert main([]) == 3
    assert "each pattern has a page" in capsys.readouterr().err
