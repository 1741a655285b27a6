"""Which rules made a figure can be told afterwards."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from brokerproof import diagnosis
from brokerproof.accuracy import rules


def test_the_digest_is_of_diagnosis_and_causes() -> None:
    names = [name for name, _ in rules._sources()]
    assert "brokerproof.diagnosis/rules/connect.py" in names
    assert "brokerproof.causes/sets.py" in names
    assert not any("lab" in name or "accuracy" in name for name in names)
    assert re.fullmatch("[0-9a-f]{64}", rules.digest())


def test_it_is_another_with_every_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "rules" / "one.py"
    source.parent.mkdir()
    source.write_text("a = 1\n", encoding="utf-8")
    monkeypatch.setattr(diagnosis, "__path__", [str(tmp_path)])
    first = rules.digest()
    assert rules.digest() == first
    source.write_text("a = 2\n", encoding="utf-8")
    assert rules.digest() != first
    source.write_text("a = 1\n", encoding="utf-8")
    assert rules.digest() == first
    source.rename(source.with_name("two.py"))
    assert rules.digest() != first
