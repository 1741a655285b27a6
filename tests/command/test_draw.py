"""``brokerproof topology draw``: what is written where, and what is said when it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from brokerproof.cli.main import main
from brokerproof.topology.files import dumps
from brokerproof.topology.patterns import PATTERNS


def draw(*arguments: str) -> tuple[int, bytes, str]:
    done = CliRunner().invoke(main, ["topology", "draw", *arguments])
    return done.exit_code, done.stdout_bytes, done.stderr


@pytest.mark.parametrize(
    ("name", "begins"),
    [("p.svg", b"<?xml"), ("p.SVG", b"<?xml"), ("p.png", b"\x89PNG"), ("p.dot", b"digraph"), ("p.gv", b"digraph")],
)
def test_the_files_name_says_what_it_becomes(name: str, begins: bytes, tmp_path: Path) -> None:
    assert draw("in_vpc", "-o", str(tmp_path / name)) == (0, b"", "")
    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize(("shape", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("dot", b"digraph")])
def test_standard_output_takes_every_shape(shape: str, begins: bytes) -> None:
    code, written, _ = draw("in_vpc", "--format", shape)
    assert code == 0
    assert written.startswith(begins)


def test_svg_is_what_is_written_when_nothing_is_said() -> None:
    assert draw("in_vpc")[1].startswith(b"<?xml")


def test_a_file_and_a_pattern_with_options_are_drawn(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(dumps(PATTERNS["peering"].build()))
    assert draw(str(file), "--format", "dot") == draw("peering", "--format", "dot")
    assert b"broker 5<" in draw("peering", "--brokers", "5", "--format", "dot")[1]


def test_without_graphviz_the_package_is_named_and_dot_text_is_written_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    code, written, said = draw("in_vpc", "-o", str(tmp_path / "p.svg"))
    assert (code, written) == (3, b"")
    assert "install Debian package graphviz" in said
    assert not (tmp_path / "p.svg").exists()
    assert draw("in_vpc", "--format", "dot")[1].startswith(b"digraph")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("in_vpc", "-o", "picture.jpeg"), 2, "end it in .svg, .png or .dot, or give --format"),
        (("in_vpc", "-o", "/nowhere/p.dot"), 3, "/nowhere/p.dot: cannot be written"),
        (("nowhere",), 2, "neither a file nor a pattern"),
        (("in_vpc", "--format", "jpeg"), 2, "jpeg"),
    ],
)
def test_wrong_use_is_said_in_words(arguments: tuple[str, ...], code: int, says: str) -> None:
    done, written, said = draw(*arguments)
    assert (done, written) == (code, b"")
    assert says in said


def test_no_png_goes_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokerproof.cli.picture.is_terminal", lambda: True)
    code, written, said = draw("in_vpc", "--format", "png")
    assert (code, written) == (2, b"")
    assert "cannot be shown in a terminal" in said
