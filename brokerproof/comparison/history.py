"""What runs measured over time: one Parquet file a run in one folder, which DuckDB reads as one table.

A file is written whole and never changed; appending a run again replaces its file. The folder is the store: it can be
copied, merged with another, or read by anything that reads Parquet.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec

from brokerproof.comparison.errors import SamplesError
from brokerproof.extras import Extra, require

STORE: Final = Path("results") / "history"
"""Where runs append what they observed, by default."""
_COLUMNS: Final = {
    "run_id": "VARCHAR",
    "began": "TIMESTAMPTZ",
    "target": "VARCHAR",
    "version": "VARCHAR",
    "client": "VARCHAR",
    "pattern": "VARCHAR",
    "label": "VARCHAR",
    "verdict": "VARCHAR",
    "what": "VARCHAR",
    "samples": "BIGINT",
    "p50_ns": "BIGINT",
    "p99_ns": "BIGINT",
    "p99_scheduled_ns": "BIGINT",
    "max_ns": "BIGINT",
    "bytes_per_s": "DOUBLE",
}


class Trend(StrEnum):
    """What there is a history of."""

    VERDICT = "verdict"
    """Whether the path was as it must be; there is one of every run."""
    RESOLVE = "resolve"
    CONNECT = "connect"
    HANDSHAKE = "handshake"
    PRODUCE_ACK = "produce_ack"
    END_TO_END = "end_to_end"
    PRODUCE = "produce"
    CONSUME = "consume"
    """Throughput, bytes a second."""


class Point(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One path in one run: a client by a pattern, and one thing that was observed of it."""

    run_id: str
    began: datetime
    """When the run began, with its zone."""
    target: str
    version: str
    client: str
    pattern: str
    label: str = ""
    verdict: str
    """Of the client in this run, as its report has it."""
    what: Trend
    samples: int = 0
    p50_ns: int | None = None
    p99_ns: int | None = None
    p99_scheduled_ns: int | None = None
    """From when each sample was due."""
    max_ns: int | None = None
    bytes_per_s: float | None = None

    @property
    def path(self) -> str:
        """Which path: client, pattern, label."""
        words = " ".join(part for part in (self.pattern, self.label) if part)
        return f"{self.client} ({words})" if words else self.client


def append(store: Path, points: Sequence[Point]) -> Path | None:
    """Add what one run saw; the folder is made if need be. None where there is nothing to add.

    Raises:
        ValueError: the points are of several runs, or the run's id is no name of a file.
        SamplesError: the folder cannot be written.
        MissingExtraError: DuckDB is not installed.
    """
    if not points:
        return None
    run_ids = {point.run_id for point in points}
    name = f"{points[0].run_id}.parquet"
    if len(run_ids) > 1 or Path(name).name != name:
        raise ValueError(f"points of one run are appended at once, not of {', '.join(sorted(run_ids))}")
    require(Extra.COMPARE, "a history")
    import duckdb  # noqa: PLC0415  slow to import, and few commands need it

    path = store / name
    beside = store / f".{name}.{secrets.token_hex(4)}"
    rows = [[_plain(getattr(point, column)) for column in _COLUMNS] for point in points]
    columns = ", ".join(f"{column} {kind}" for column, kind in _COLUMNS.items())
    places = ", ".join("?" * len(_COLUMNS))
    target = str(beside).replace("'", "''")
    try:
        store.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as connection:
            connection.execute(f"CREATE TABLE points ({columns})")
            connection.executemany(f"INSERT INTO points VALUES ({places})", rows)  # noqa: S608  only question marks
            connection.execute(f"COPY points TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
        beside.replace(path)
    except (OSError, duckdb.Error) as problem:
        raise SamplesError(f"{path}: cannot be written: {problem}") from problem
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return path


def _plain(value: Any) -> Any:
    match value:
        case StrEnum():
            return value.value
        case datetime():
            return value.isoformat()
        case _:
            return value


def trend(
    store: Path, *, client: str = "", pattern: str = "", target: str = "", what: Sequence[Trend] = (), last: int = 0
) -> tuple[Point, ...]:
    """Points of the store, path by path and kind by kind, each from the oldest run to the newest.

    Args:
        store: The folder; one that is not there is an empty one.
        client: Only this client; empty for all. So with ``pattern`` and ``target``.
        pattern: Only this pattern.
        target: Only runs against this target.
        what: Only these; empty for all.
        last: How many of the newest runs of each path and kind are returned; 0 for all.

    Raises:
        SamplesError: a file in the folder is not one of a history.
    """
    files = [str(path) for path in sorted(store.glob("[!.]*.parquet"))]
    if not files:
        return ()
    import duckdb  # noqa: PLC0415  likewise

    given = {"client": client, "pattern": pattern, "target": target}
    where = [f"{column} = ?" for column, value in given.items() if value]
    values: list[Any] = [files, *(value for value in given.values() if value)]
    if what:
        where.append(f"what IN ({', '.join('?' * len(what))})")
        values += [each.value for each in what]
    selected = ", ".join(column if column != "began" else "epoch_us(began) AS began" for column in _COLUMNS)
    path = "client, pattern, label, target, what"
    newest = (
        f"QUALIFY row_number() OVER (PARTITION BY {path} ORDER BY points.began DESC) <= {int(last)}" if last else ""
    )
    query = (
        f"SELECT {selected} FROM read_parquet(?, union_by_name = true) AS points "  # noqa: S608  names of this module
        f"WHERE {' AND '.join(where) or 'true'} {newest} ORDER BY {path}, points.began, run_id"
    )
    try:
        with closing(duckdb.connect()) as connection:
            rows = connection.execute(query, values).fetchall()
    except duckdb.Error as problem:
        raise SamplesError(f"{store}: not a history: {str(problem).splitlines()[0]}") from problem
    try:
        return tuple(_point(dict(zip(_COLUMNS, row, strict=True))) for row in rows)
    except (TypeError, msgspec.ValidationError) as problem:
        raise SamplesError(f"{store}: holds something else than a history of this version: {problem}") from problem


def _point(row: dict[str, Any]) -> Point:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return msgspec.convert(row | {"began": epoch + timedelta(microseconds=row["began"])}, Point)
