"""The page of the last days: a line a broker, what was named, and nothing from outside as markup."""

from __future__ import annotations

import re
from pathlib import Path

from brokerproof.canary.page import Look, lines_of, page
from brokerproof.canary.state import State
from brokerproof.canary.store import HOUR_S, Store
from brokerproof.canary.watch import Watch
from tests.canary.made import BEGAN, CLIENT, EVERY_S, VIEW, dead_broker, done, run_of, unreachable, well


def kept(folder: Path) -> Store:
    """Three hours: well, broker 2 dead for twenty rounds, nobody looked for the rest."""
    store = Store(folder, watch=True)
    watch = Watch((VIEW,), store, every_s=EVERY_S, now=BEGAN)
    good, bad, blind = run_of(well()), run_of(dead_broker(2)(well())), unreachable()
    first = int(BEGAN // HOUR_S + 1) * HOUR_S
    for number in range(180):
        run = good if number < 60 else bad if number < 80 else good if number < 120 else blind
        watch.took(done(run, first + number * EVERY_S))
    return store


def test_a_line_has_the_share_that_was_well_and_the_share_that_looked(tmp_path: Path) -> None:
    store = kept(tmp_path)
    first = int(BEGAN // HOUR_S) + 1
    lines = {line.broker: line for line in lines_of(store.hours(BEGAN), first, first + 2)}
    assert set(lines) == {"broker-1", "broker-2", "broker-3", "cluster"}
    assert lines["broker-1"].availability == "100.000%"
    assert lines["broker-1"].looked == "66.7%"
    assert [cell.look for cell in lines["broker-1"].cells] == [Look.OK, Look.OK, Look.BLIND]
    assert [cell.look for cell in lines["broker-2"].cells] == [Look.OK, Look.SOME_FAILED, Look.BLIND]
    # Three addresses of four things fail in twenty of 120 rounds that looked.
    assert lines["broker-2"].availability == "87.500%"
    assert lines["broker-1"].p95 == "≤ 5 ms"


def test_the_page_says_what_was_named_when_and_loads_nothing(tmp_path: Path) -> None:
    store = kept(tmp_path)
    text = page(
        store.hours(BEGAN),
        store.changes(BEGAN),
        store.holds_since(BEGAN),
        since=BEGAN,
        now=BEGAN + 5 * 3600,
        name="<b>x",
    )
    assert "<b>x" not in text
    assert not re.search(r"(src|href)=|<script|@import|url\(", text)
    assert "ok → failed" in text
    assert "failed → ok" in text
    assert "ok → did not run" in text
    assert CLIENT in text
    failed = [change for change in store.changes(BEGAN) if change.after is State.FAILED]
    assert failed
    assert all(change.found is not None and change.found.known_as in text for change in failed)


def test_a_page_of_nothing_says_so() -> None:
    text = page((), (), (), since=BEGAN, now=BEGAN + 60, name="x")
    assert "No round was kept" in text
    assert "Nothing changed" in text
