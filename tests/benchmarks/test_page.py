"""Where figures go in docs/benchmarks.md, and what is left alone."""

from __future__ import annotations

import importlib

import pytest

from benchmarks.everything import BEGIN, BENCHMARKS, END, PAGE, ROOT, PageError, figures_of, with_figures

OF_ANOTHER_ENVIRONMENT = {"sslyze_scan"}
SCRIPTS = sorted({path.stem for path in (ROOT / "benchmarks").glob("*.py")} - OF_ANOTHER_ENVIRONMENT)
PAGE_OF_TWO = f"# A\n\n{BEGIN.format(name='sweep')}\n    old\n\n{END}\ntext\n{BEGIN.format(name='pairs')}{END}"


def test_figures_take_the_place_of_older_ones_and_nothing_else() -> None:
    page = with_figures(PAGE_OF_TWO, "sweep", "1 2\n\n  3\n")
    assert "    1 2\n\n      3\n" in page
    assert "old" not in page
    assert page.endswith(PAGE_OF_TWO.partition(END)[2])
    assert with_figures(page, "sweep", "1 2\n\n  3\n") == page


def test_a_page_without_the_place_stays_as_it_is() -> None:
    assert with_figures(PAGE_OF_TWO, "on_the_lab", "1") == PAGE_OF_TWO


def test_a_place_without_an_end_is_refused() -> None:
    with pytest.raises(PageError, match="no '<!-- end of figures -->' follows '<!-- figures of sweep -->'"):
        with_figures(BEGIN.format(name="sweep"), "sweep", "1")


def test_explanations_stay_on_the_screen() -> None:
    assert figures_of("what each does\n  a: b\n\nfigures\n") == "figures\n"
    assert figures_of("figures\n") == "figures\n"


def test_the_page_has_a_place_for_every_figure_that_it_promises() -> None:
    page = PAGE.read_text("utf-8")
    places = [name for name in BENCHMARKS if BEGIN.format(name=name) in page]
    assert places == [name for name in BENCHMARKS if name != "on_the_lab"]  # of which the page tells the story
    assert page.count(END) == len(places)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_finds_what_it_imports(name: str) -> None:
    importlib.import_module(f"benchmarks.{name}")
