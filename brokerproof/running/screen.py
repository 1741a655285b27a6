"""What is done, for who waits: a line a step, and on a terminal one screen with what is probed where."""

from __future__ import annotations

import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from brokerproof.probes.outcome import Outcome, Role, Status
from brokerproof.topology.models import ClientVantage, VantageKind
from brokerproof.wording import one_line, printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

_REFRESHES_PER_S: Final = 6
_MUST_FAIL: Final = frozenset({Role.FORBIDDEN, Role.CONTROL})
_SELDOM_S: Final = 10.0
"""Where nobody looks, how far something is gets a line no more often."""


def from_where(vantage: ClientVantage) -> str:
    """From where is probed, in words; empty for this host."""
    if vantage.kind is VantageKind.LOCAL:
        return ""
    if vantage.kind is VantageKind.LAB:
        return "from its namespace in the lab"
    if vantage.image is not None:
        what = "pod" if vantage.kind is VantageKind.KUBERNETES else "container"
        return f"from a {what} of {vantage.image} that {vantage.kind} starts for it"
    places = (vantage.host, vantage.instance_id, vantage.pod, vantage.container, shlex.join(vantage.command))
    return f"from {next(filter(None, places), '')} by {vantage.kind}"


class Onlooker:
    """Is told how far clients' runs are, from any thread; this one does nothing with it."""

    def awaits(self, clients: Iterable[str]) -> None:
        """These clients' runs are to come."""

    def begins(self, client: str, where: str) -> None:
        """A client's run begins; ``where`` as of :func:`from_where`."""

    def heard(self, client: str, outcome: Outcome) -> None:
        """An outcome of it arrived."""

    def ends(self, client: str) -> None:
        """It is over, however it ended."""


@dataclass(slots=True)
class _Row:
    """One client, as the screen has it."""

    client: str
    where: str = ""
    began: float | None = None
    ended: float | None = None
    outcomes: int = 0
    failed: int = 0
    last: str = ""

    @property
    def state(self) -> str:
        if self.began is None:
            return "waiting"
        if self.ended is not None:
            return "done"
        return self.last or "connecting to the probe"

    def took_s(self, now: float) -> str:
        return "" if self.began is None else f"{(self.ended or now) - self.began:.1f} s"


def _nothing() -> None:
    pass


@dataclass(slots=True)
class Screen(Onlooker):
    """Standard error: a line a step, and on a terminal a row a client while any of them is probed.

    Rows are gone when the block ends. What is said goes above them.
    """

    opening: Callable[[], None] = _nothing
    """Called before the first row is drawn, for who has left a line unfinished."""
    _rows: dict[str, _Row] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _live: Live | None = None
    _status: str = ""
    _began: float = field(default_factory=time.monotonic)
    _seldom: float = -_SELDOM_S
    _last_shown: str = ""

    def say(self, words: str) -> None:
        """A step begins, or ended."""
        if not self._rows:
            self.done()
        with self._lock:
            self._line(words)

    def show(self, words: str) -> None:
        """How far a step is: one line that is written over; where nobody looks, at most every ten seconds."""
        with self._lock:
            if sys.stderr.isatty():
                self._status = words
                self._refresh()
                return
            now = time.monotonic() - self._began
            if words != self._last_shown and now - self._seldom >= _SELDOM_S:
                self._last_shown, self._seldom = words, now
                self._line(words)

    def awaits(self, clients: Iterable[str]) -> None:
        """A row each, for the clients that are not there yet."""
        with self._lock:
            for client in clients:
                self._rows.setdefault(client, _Row(client))

    def begins(self, client: str, where: str) -> None:
        """Its row runs from now on."""
        with self._lock:
            self._rows[client] = _Row(client, where=where, began=time.monotonic())

    def heard(self, client: str, outcome: Outcome) -> None:
        """Its row shows the stage and the place."""
        target = outcome.target
        label = target.name.partition(".")[0] if target.name[:1].isalpha() else target.name
        place = f" at {target.address}" if target.address not in {"", label} else ""
        with self._lock:
            row = self._rows.setdefault(client, _Row(client, began=time.monotonic()))
            row.outcomes += 1
            row.failed += outcome.status is Status.FAILED and target.role not in _MUST_FAIL
            row.last = f"{outcome.stage} of {label or target.role}{place}"
            self._refresh()

    def ends(self, client: str) -> None:
        """Its row stands still."""
        with self._lock:
            if client in self._rows:
                self._rows[client].ended = time.monotonic()

    def done(self) -> None:
        """Take the rows off the screen."""
        with self._lock:
            live, self._live = self._live, None
            self._rows.clear()
            self._status = ""
        if live is not None:
            live.stop()  # without the lock: it waits for a thread that may be drawing

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.done()

    def _line(self, words: str) -> None:
        line = printable(f"{time.monotonic() - self._began:5.1f} s  {words}")
        if self._live is None:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
            return
        from rich.text import Text  # noqa: PLC0415  the probe's first packet does not wait for it

        self._live.console.print(Text(line))

    def _refresh(self) -> None:
        if self._live is not None or not sys.stderr.isatty():
            return
        from rich.console import Console  # noqa: PLC0415  the probe's first packet does not wait for it
        from rich.live import Live  # noqa: PLC0415  likewise

        self.opening()
        self._live = Live(
            get_renderable=self._drawn,
            console=Console(stderr=True, highlight=False),
            transient=True,
            refresh_per_second=_REFRESHES_PER_S,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _drawn(self) -> RenderableType:
        from rich.console import Group  # noqa: PLC0415  the probe's first packet does not wait for it
        from rich.table import Table  # noqa: PLC0415  likewise
        from rich.text import Text  # noqa: PLC0415  likewise

        now = time.monotonic()
        table = Table(box=None, pad_edge=False, show_edge=False, expand=True)
        for heading in ("client", "outcomes", "failed", "time"):
            table.add_column(heading, no_wrap=True, min_width=len(heading))
        table.add_column("where it is", no_wrap=True, overflow="ellipsis", ratio=1)
        with self._lock:
            rows, status = list(self._rows.values()), self._status
        for row in rows:
            words = f"{row.state}{f', {row.where}' if row.where else ''}"
            cells = (row.client, str(row.outcomes), str(row.failed or ""), row.took_s(now), words)
            table.add_row(*(Text(one_line(cell)) for cell in cells))
        line = [Text(one_line(f"{now - self._began:5.1f} s  {status}"))] if status else []
        return Group(*line, *([table] if rows else []))
