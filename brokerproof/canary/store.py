"""What the canary knows, on disk: one SQLite file in a folder, a transaction a round.

The write-ahead log survives a process that is killed at any moment; a machine that loses power may lose the last
rounds, and never the file (SQLite, ``synchronous=NORMAL``). One process watches with a store; others may read it and
place holds.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import msgspec

from brokerproof.canary.events import Found, StateChanged
from brokerproof.canary.hold import Hold
from brokerproof.canary.state import Reading, Standing, State
from brokerproof.canary.timing import BUCKETS
from brokerproof.canary.watched import Watched
from brokerproof.errors import CouldNotError
from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.foreign_text import encode_json

FOLDER: Final = Path("results") / "canary"
"""Where it is by default."""
FILE: Final = "canary.sqlite"
LOCK: Final = "canary.lock"
VERSION: Final = 1
HOUR_S: Final = 3600
KEEP_DAYS: Final = 30
DAY_S: Final = 86_400.0
_BUSY_S: Final = 30.0

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS standings (
  client TEXT NOT NULL, broker TEXT NOT NULL, address TEXT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (client, broker, address)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS clients (
  client TEXT PRIMARY KEY, began REAL NOT NULL, ended REAL NOT NULL, ok REAL NOT NULL,
  deep REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hours (
  hour INTEGER NOT NULL, client TEXT NOT NULL, broker TEXT NOT NULL, address TEXT NOT NULL,
  ok INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, not_seen INTEGER NOT NULL DEFAULT 0,
  did_not_run INTEGER NOT NULL DEFAULT 0, broken INTEGER NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0,
  times TEXT NOT NULL DEFAULT '', PRIMARY KEY (hour, client, broker, address)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (
  number INTEGER PRIMARY KEY, at REAL NOT NULL, client TEXT NOT NULL, broker TEXT NOT NULL, address TEXT NOT NULL,
  before TEXT NOT NULL, after TEXT NOT NULL, found BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS changes_at ON changes (at);
CREATE TABLE IF NOT EXISTS holds (
  number INTEGER PRIMARY KEY, since REAL NOT NULL, until REAL NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL,
  client TEXT NOT NULL, broker TEXT NOT NULL);
"""
_COLUMNS: Final = {reading: reading.value for reading in Reading}


class StoreError(CouldNotError):
    """The store cannot be used; the message says which and why."""


class ClientTimes(Value, frozen=True, kw_only=True):
    """When a client's rounds were; Unix seconds, 0 is never."""

    began: float = 0.0
    ended: float = 0.0
    ok: float = 0.0
    """The beginning of the last round of which everything was well."""
    deep: float = 0.0


class Hour(Value, frozen=True, kw_only=True):
    """One hour of one watched thing: rounds by what they said, and how long its first stage took."""

    hour: int
    """Hours since 1970."""
    watched: Watched
    counts: dict[Reading, int]
    held: int
    times: tuple[int, ...] = ()
    """Rounds by the bucket of their time, as in :mod:`brokerproof.canary.timing`."""


class RoundRecord(Value, frozen=True, kw_only=True):
    """All that one round changes, in one transaction."""

    client: str
    times: ClientTimes
    standings: dict[Watched, Standing]
    readings: dict[Watched, Reading]
    missed: int = 0
    """Rounds before it that did not take place, for everything of the client."""
    held: frozenset[Watched] = frozenset()
    took_s: dict[Watched, float] = msgspec.field(default_factory=dict)
    changes: tuple[StateChanged, ...] = ()


class Store:
    """The store of one folder.

    Raises:
        StoreError: it cannot be opened, or another canary watches with it.
    """

    def __init__(self, folder: Path, *, watch: bool) -> None:
        self.folder = folder
        self._lock: int | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if watch:
                self._lock = _taken(folder)
            self._db = sqlite3.connect(folder / FILE, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._check_version()
        except StoreError:
            self._unlock()
            raise
        except (OSError, sqlite3.Error) as problem:
            self._unlock()
            raise StoreError(f"{folder / FILE}: cannot be used: {problem}") from problem

    def _check_version(self) -> None:
        with self._transaction():
            [(version,)] = self._db.execute("PRAGMA user_version").fetchall()
            if version not in {0, VERSION}:
                raise sqlite3.DatabaseError(f"it is of version {version}; this brokerproof knows {VERSION}")
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as problem:
            if self._db.in_transaction:  # SQLite has taken it back itself where the disk is full
                self._db.execute("ROLLBACK")
            if isinstance(problem, sqlite3.OperationalError):
                raise StoreError(f"{self.folder / FILE}: cannot be written: {problem}") from problem
            raise

    # What was, for a start

    def standings(self) -> dict[Watched, Standing]:
        """Every standing there is."""
        rows = self._db.execute("SELECT client, broker, address, body FROM standings")
        return {_watched(row): msgspec.json.decode(row[3], type=Standing) for row in rows}

    def clients(self) -> dict[str, ClientTimes]:
        """When each client's rounds were."""
        rows = self._db.execute("SELECT client, began, ended, ok, deep FROM clients")
        return {row[0]: ClientTimes(began=row[1], ended=row[2], ok=row[3], deep=row[4]) for row in rows}

    # A round

    def keep(self, record: RoundRecord) -> None:
        """Keep what a round changes: all of it or nothing."""
        hour = int(record.times.began // HOUR_S)
        with self._transaction():
            times = record.times
            self._db.execute(
                "INSERT OR REPLACE INTO clients VALUES (?, ?, ?, ?, ?)",
                (record.client, times.began, times.ended, times.ok, times.deep),
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO standings VALUES (?, ?, ?, ?)",
                [(*_key(thing), encode_json(standing)) for thing, standing in record.standings.items()],
            )
            for thing, reading in record.readings.items():
                self._count(hour, thing, reading, record)
            self._note(record.changes)

    def changed(self, changes: Sequence[StateChanged]) -> None:
        """Keep changes that no round made."""
        with self._transaction():
            self._note(changes)

    def _note(self, changes: Sequence[StateChanged]) -> None:
        self._db.executemany(
            "INSERT INTO changes (at, client, broker, address, before, after, found) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(e.at, *_key(e.watched), e.before, e.after, encode_json(e.found)) for e in changes],
        )

    def _count(self, hour: int, thing: Watched, reading: Reading, record: RoundRecord) -> None:
        key = (hour, *_key(thing))
        self._db.execute("INSERT OR IGNORE INTO hours (hour, client, broker, address) VALUES (?, ?, ?, ?)", key)
        where = "WHERE hour = ? AND client = ? AND broker = ? AND address = ?"
        more = dict.fromkeys((*_COLUMNS.values(), "held"), 0)
        if thing in record.held:
            more["held"] = 1
        else:
            more[_COLUMNS[reading]] += 1
            more[_COLUMNS[Reading.DID_NOT_RUN]] += record.missed
        added = ", ".join(f"{column} = {column} + ?" for column in more)
        self._db.execute(f"UPDATE hours SET {added} {where}", (*more.values(), *key))  # noqa: S608  names of this module
        took_s = record.took_s.get(thing)
        if took_s is not None:
            [(text,)] = self._db.execute(f"SELECT times FROM hours {where}", key).fetchall()  # noqa: S608  likewise
            counts = _counts(text)
            counts[sum(took_s > bound for bound in BUCKETS)] += 1
            self._db.execute(f"UPDATE hours SET times = ? {where}", (" ".join(map(str, counts)), *key))  # noqa: S608  likewise

    def forget(self, before: float) -> None:
        """Remove hours, changes and holds that ended before a time."""
        with self._transaction():
            self._db.execute("DELETE FROM hours WHERE hour < ?", (int(before // HOUR_S),))
            self._db.execute("DELETE FROM changes WHERE at < ?", (before,))
            self._db.execute("DELETE FROM holds WHERE until < ?", (before,))

    # Holds

    def hold(self, hold: Hold) -> Hold:
        """Place a hold; returned with its number."""
        with self._transaction():
            done = self._db.execute(
                "INSERT INTO holds (since, until, who, why, client, broker) VALUES (?, ?, ?, ?, ?, ?)",
                (hold.since, hold.until, hold.who, hold.why, hold.client, hold.broker),
            )
            return msgspec.structs.replace(hold, number=done.lastrowid or 0)

    def end_holds(self, now: float, *, number: int | None = None) -> tuple[Hold, ...]:
        """End the hold of a number, or all of them; those that were ended."""
        ended = tuple(hold for hold in self.holds(now) if number in {None, hold.number})
        with self._transaction():
            self._db.executemany("UPDATE holds SET until = ? WHERE number = ?", [(now, each.number) for each in ended])
        return ended

    def holds(self, now: float) -> tuple[Hold, ...]:
        """The holds that are in force or still to come."""
        return self.holds_since(now)

    def holds_since(self, since: float) -> tuple[Hold, ...]:
        """The holds that had not ended by then."""
        rows = self._db.execute(
            "SELECT number, since, until, who, why, client, broker FROM holds WHERE until > ? ORDER BY number", (since,)
        )
        return tuple(
            Hold(number=row[0], since=row[1], until=row[2], who=row[3], why=row[4], client=row[5], broker=row[6])
            for row in rows
        )

    # What the page shows

    def hours(self, since: float) -> tuple[Hour, ...]:
        """Every hour of every watched thing since then."""
        rows = self._db.execute(
            "SELECT client, broker, address, hour, ok, failed, not_seen, did_not_run, broken, held, times FROM hours "
            "WHERE hour >= ? ORDER BY client, broker, address, hour",
            (int(since // HOUR_S),),
        )
        return tuple(
            Hour(
                hour=row[3],
                watched=_watched(row),
                counts=dict(zip(Reading, row[4:9], strict=True)),
                held=row[9],
                times=tuple(_counts(row[10])) if row[10] else (),
            )
            for row in rows
        )

    def changes(self, since: float) -> tuple[StateChanged, ...]:
        """Every change of state since then, the oldest first."""
        rows = self._db.execute(
            "SELECT client, broker, address, at, before, after, found FROM changes WHERE at >= ? ORDER BY at, number",
            (since,),
        )
        return tuple(
            StateChanged(
                at=row[3],
                watched=_watched(row),
                before=State(row[4]),
                after=State(row[5]),
                found=msgspec.json.decode(row[6], type=Found | None),
            )
            for row in rows
        )

    def close(self) -> None:
        """Close the file; another process may watch with it."""
        self._db.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _taken(folder: Path) -> int:
    """The lock of the folder; the kernel gives it back however this process ends.

    Raises:
        StoreError: another process has it.
    """
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        whose = os.pread(lock, 32, 0).decode(errors="replace").strip() or "?"
        os.close(lock)
        raise StoreError(
            f"{folder}: another canary watches with this store (process {whose}); give this one another --state"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def _key(thing: Watched) -> tuple[str, str, str]:
    return thing.client, thing.broker, thing.address


def _watched(row: Sequence[str]) -> Watched:
    return Watched(client=row[0], broker=row[1], address=row[2])


def _counts(text: str) -> list[int]:
    return [int(word) for word in text.split()] if text else [0] * (len(BUCKETS) + 1)
