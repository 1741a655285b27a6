"""The page of the last days: a line a client and broker, what was named when. Self-contained HTML, no script. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Final

from brokerproof.canary.established import ESTABLISHED
from brokerproof.canary.events import StateChanged
from brokerproof.canary.hold import Hold
from brokerproof.canary.state import Reading
from brokerproof.canary.store import HOUR_S, Hour
from brokerproof.canary.timing import BUCKETS, quantile
from brokerproof.probes.outcome.base import Value
from brokerproof.reports.templating import engine, finalized, second_of, spaced

TEMPLATES: Final = Path(__file__).parent / "templates"
MOST_CHANGES: Final = 500


class Look(StrEnum):
    """What one hour of a line looks like; the worst of what was read in it, what the path did before who looked."""

    FAILED = "failed"
    SOME_FAILED = "some_failed"
    BLIND = "blind"
    """Nobody looked, or nobody could, in more than half of its rounds."""
    HELD = "held"
    OK = "ok"
    NOTHING = "nothing"


MARKS: Final = {
    Look.FAILED: "✗",
    Look.SOME_FAILED: "!",
    Look.BLIND: "?",
    Look.HELD: "=",
    Look.OK: "",
    Look.NOTHING: "",
}


class Cell(Value, frozen=True, kw_only=True):
    """One hour of one line."""

    hour: int
    look: Look
    words: str

    @property
    def mark(self) -> str:
        """What tells it apart without colour."""
        return MARKS[self.look]


class Line(Value, frozen=True, kw_only=True):
    """One client and broker over the whole time."""

    client: str
    broker: str
    cells: tuple[Cell, ...]
    rounds: int
    failed: int
    blind: int
    p50: str
    p95: str

    @property
    def availability(self) -> str:
        """The share of looks at the path that were well."""
        seen = self.rounds - self.blind
        return f"{(seen - self.failed) / seen:.3%}" if seen else "not known"

    @property
    def looked(self) -> str:
        """The share of rounds that looked at all."""
        return f"{(self.rounds - self.blind) / self.rounds:.1%}" if self.rounds else "never"


def lines_of(hours: Sequence[Hour], first: int, last: int) -> tuple[Line, ...]:
    """The lines, from one hour to another, both included."""
    ordered = sorted(hours, key=_line_of)
    grouped = groupby(ordered, key=_line_of)
    return tuple(_line(client, broker, tuple(of_it), first, last) for (client, broker), of_it in grouped)


def _line_of(hour: Hour) -> tuple[str, str]:
    watched = hour.watched
    stays = f", {ESTABLISHED}" if watched.address == ESTABLISHED else ""
    return watched.client, f"{watched.broker}{stays}"


def _line(client: str, broker: str, hours: tuple[Hour, ...], first: int, last: int) -> Line:
    by_hour: dict[int, list[Hour]] = {}
    for hour in hours:
        by_hour.setdefault(hour.hour, []).append(hour)
    times = [0] * (len(BUCKETS) + 1)
    for hour in hours:
        for place, count in enumerate(hour.times if hour.watched.address or not _has_addresses(hours) else ()):
            times[place] += count
    return Line(
        client=client,
        broker=broker,
        cells=tuple(_cell(number, by_hour.get(number, [])) for number in range(first, last + 1)),
        rounds=sum(sum(hour.counts.values()) for hour in hours),
        failed=sum(hour.counts[Reading.FAILED] for hour in hours),
        blind=sum(_blind(hour) for hour in hours),
        p50=_bound(quantile(times, 0.5), times),
        p95=_bound(quantile(times, 0.95), times),
    )


def _has_addresses(hours: Iterable[Hour]) -> bool:
    return any(hour.watched.address for hour in hours)


def _blind(hour: Hour) -> int:
    return hour.counts[Reading.DID_NOT_RUN] + hour.counts[Reading.BROKEN] + hour.counts[Reading.NOT_SEEN]


def _bound(bound: float | None, times: Sequence[int]) -> str:
    if not any(times):
        return ""
    return f"> {BUCKETS[-1]:g} s" if bound is None else f"≤ {bound * 1000:g} ms"


def _cell(number: int, hours: Sequence[Hour]) -> Cell:
    counts = {reading: sum(hour.counts[reading] for hour in hours) for reading in Reading}
    held = sum(hour.held for hour in hours)
    read = sum(counts.values())
    blind = sum(_blind(hour) for hour in hours)
    if counts[Reading.FAILED]:
        look = Look.SOME_FAILED if counts[Reading.OK] else Look.FAILED
    elif read and blind * 2 > read:
        look = Look.BLIND
    elif held:
        look = Look.HELD
    else:
        look = Look.OK if read else Look.NOTHING
    at = datetime.fromtimestamp(number * HOUR_S, UTC)
    told = [f"{count:,} {reading.replace('_', ' ')}" for reading, count in counts.items() if count]
    told += [f"{held:,} held"] if held else []
    return Cell(hour=number, look=look, words=f"{at:%Y-%m-%d %H:00}: {', '.join(told) or 'nothing'}")


def days_of(first: int, last: int) -> Iterator[tuple[str, int]]:
    """Each day with how many of the hours it has."""
    for day, hours in groupby(
        range(first, last + 1), key=lambda hour: datetime.fromtimestamp(hour * HOUR_S, UTC).date()
    ):
        yield day.isoformat(), len(list(hours))


def page(
    hours: Sequence[Hour],
    changes: Sequence[StateChanged],
    holds: Sequence[Hold],
    *,
    since: float,
    now: float,
    name: str,
) -> str:
    """The page."""
    first, last = int(since // HOUR_S), int(now // HOUR_S)
    made = engine(finalized, TEMPLATES)
    made.filters.update(clock=second_of, words=spaced)
    told = [change for change in reversed(changes) if change.before != "not_yet" or change.after.alerts]
    return made.get_template("page.html.j2").render(
        name=name,
        since=since,
        now=now,
        lines=lines_of(hours, first, last),
        days=tuple(days_of(first, last)),
        changes=told[:MOST_CHANGES],
        more=max(0, len(told) - MOST_CHANGES),
        holds=holds,
        looks=tuple(Look),
        marks=MARKS,
    )
