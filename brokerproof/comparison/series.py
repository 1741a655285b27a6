"""Raw latency samples on the host: one series a client, round, address and kind, and Parquet files of them.

Files are written and read by DuckDB. Nothing here judges a sample.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from brokerproof.comparison.errors import SamplesError
from brokerproof.comparison.values import Whose
from brokerproof.probes.outcome import Measured, SampleBlock, Started
from brokerproof.probes.outcome.samples import unpack

Nanoseconds = NDArray[np.int64]

COLUMNS: Final = (
    "run_id",
    "client",
    "pattern",
    "label",
    "round",
    "broker_id",
    "name",
    "address",
    "what",
    "warm_up",
    "scheduled_ns",
    "started_ns",
    "duration_ns",
)
_KEY: Final = COLUMNS[:10]
_TEXTS: Final = frozenset({"run_id", "client", "pattern", "label", "name", "address", "what"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """Samples of one kind at one place, in the order they ended; three columns of equal length.

    ``scheduled_ns`` (when each had to begin) and ``started_ns`` (when it did) are since 1970-01-01 UTC by the
    probe's host; ``duration_ns`` is of its monotonic clock.
    """

    whose: Whose
    broker_id: int | None
    name: str
    address: str
    """Empty where a name is meant, or a record's way through a client library."""
    what: Measured
    warm_up: bool
    scheduled_ns: Nanoseconds
    started_ns: Nanoseconds
    duration_ns: Nanoseconds

    @property
    def since_scheduled_ns(self) -> Nanoseconds:
        """From when each had to begin to when it ended: what a stall made others wait is in it."""
        return self.started_ns - self.scheduled_ns + self.duration_ns

    def __len__(self) -> int:
        return len(self.duration_ns)


def series_of(block: SampleBlock, whose: Whose, started: Started | None) -> Series:
    """A probe's line as a series. Without the probe's first line times are since the plan began.

    Raises:
        UnreadableSamplesError: the block is damaged.
    """
    samples = unpack(block)
    zero_ns = 0
    if started is not None and started.wall_clock:
        zero_ns = int(datetime.fromisoformat(started.wall_clock).timestamp() * 1_000_000) * 1000
    return Series(
        whose=whose,
        broker_id=block.target.broker_id,
        name=block.target.name,
        address=block.target.address,
        what=block.what,
        warm_up=block.warm_up,
        scheduled_ns=np.array(samples.scheduled_ns, dtype=np.int64) + zero_ns,
        started_ns=np.array(samples.started_ns, dtype=np.int64) + zero_ns,
        duration_ns=np.array(samples.duration_ns, dtype=np.int64),
    )


def _key(one: Series) -> tuple[Any, ...]:
    whose = one.whose
    broker_id = -1 if one.broker_id is None else one.broker_id
    place = (broker_id, one.name, one.address, one.what.value, one.warm_up)
    return (whose.run_id, whose.client, whose.pattern, whose.label, whose.round, *place)


def write_samples(every: Sequence[Series], path: Path) -> None:
    """Write one Parquet file, a row a sample; the file appears whole or not at all.

    Raises:
        SamplesError: it cannot be written.
    """
    lengths = [len(one) for one in every]
    keys = [_key(one) for one in every]
    columns: dict[str, Any] = {}
    for index, name in enumerate(_KEY):
        values = np.empty(len(keys), dtype=object if name in _TEXTS else np.int64)
        values[:] = [key[index] for key in keys]
        columns[name] = np.repeat(values, lengths)
    for name in COLUMNS[len(_KEY) :]:
        parts = [getattr(one, name) for one in every]
        columns[name] = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
    selected = ", ".join(f"CAST({name} AS VARCHAR) AS {name}" if name in _TEXTS else name for name in COLUMNS)
    selected = selected.replace("broker_id", "CAST(NULLIF(broker_id, -1) AS INTEGER) AS broker_id")
    selected = selected.replace("round", "CAST(round AS INTEGER) AS round")
    selected = selected.replace("warm_up", "warm_up <> 0 AS warm_up")
    write_parquet(columns, f"SELECT {selected} FROM columns", path)  # noqa: S608  names of this module only


def write_parquet(columns: dict[str, Any], query: str, path: Path) -> None:
    """Write what ``query`` makes of ``columns`` (arrays by name, a table of that name) as one Parquet file.

    Raises:
        SamplesError: it cannot be written.
    """
    import duckdb  # noqa: PLC0415  slow to import, and not needed to hold samples

    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with duckdb.connect() as connection:
            connection.register("columns", columns)
            connection.execute(f"COPY ({query}) TO '{_quoted(beside)}' (FORMAT parquet, COMPRESSION zstd)")
        beside.replace(path)
    except (OSError, duckdb.Error) as problem:
        raise SamplesError(f"{path}: cannot be written: {problem}") from problem
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def read_samples(path: Path) -> tuple[Series, ...]:
    """The series of a file, as they were written.

    Raises:
        SamplesError: there is no such file, or it is not one of samples.
    """
    import duckdb  # noqa: PLC0415  likewise

    try:
        with duckdb.connect() as connection:
            names = ", ".join(COLUMNS)
            found = connection.execute(f"SELECT {names} FROM read_parquet(?)", [str(path)]).fetchnumpy()  # noqa: S608
    except duckdb.Error as problem:
        raise SamplesError(f"{path}: not a file of samples: {str(problem).splitlines()[0]}") from problem
    rows = [_column(found[name]) for name in _KEY]
    series = []
    first = 0
    for key, group in groupby(zip(*rows, strict=True)):
        last = first + sum(1 for _ in group)
        run_id, client, pattern, label, round_, broker_id, name, address, what, warm_up = key
        series.append(
            Series(
                whose=Whose(run_id=run_id, client=client, pattern=pattern, label=label, round=round_),
                broker_id=broker_id,
                name=name,
                address=address,
                what=Measured(what),
                warm_up=warm_up,
                scheduled_ns=np.asarray(found["scheduled_ns"][first:last]),
                started_ns=np.asarray(found["started_ns"][first:last]),
                duration_ns=np.asarray(found["duration_ns"][first:last]),
            )
        )
        first = last
    return tuple(series)


def _column(values: Any) -> list[Any]:
    """As plain values; what is missing is None."""
    listed: list[Any] = values.tolist()  # of a masked array too: None where there is no value
    return listed
