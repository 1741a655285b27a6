"""Every decision is a short dated record, and the index lists exactly these."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[2] / "docs" / "decisions"
MOST_LINES: Final = 30


def test_index_and_records_agree() -> None:
    listed = re.findall(
        r"^\| \[(\d{4})\]\((\S+)\) \| (.+) \| (\S+) \| (.+) \|$", (FOLDER / "README.md").read_text(), re.MULTILINE
    )
    records = []
    for path in sorted(FOLDER.glob("0*.md")):
        text = path.read_text()
        head = re.match(r"# (\d{4})\. (.+)\n\nDate: (\d{4}-\d\d-\d\d)\. Status: (.+)\.\n", text)
        assert head is not None, f"{path.name}: the head is not 'number. title', date and status"
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"], path.name
        assert len(text.splitlines()) <= MOST_LINES, path.name
        records.append((head[1], path.name, head[2], head[3], head[4]))
    assert listed == records
    assert [int(number) for number, *_ in records] == list(range(1, len(records) + 1))
