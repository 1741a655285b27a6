"""Samples from the probe's line to a Parquet file and back."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerproof.comparison.errors import SamplesError
from brokerproof.comparison.series import COLUMNS, Series, read_samples, series_of, write_samples
from brokerproof.comparison.values import Whose
from brokerproof.probes.outcome import Measured, Role, SampleBlock, Started, Target, decode_line, encode_line
from brokerproof.probes.outcome.samples import BLOCK_SAMPLES, Samples, UnreadableSamplesError, pack, unpack
from tests.examples import examples

TARGET = Target(role=Role.BROKER, name="b-1", address="10.0.0.1", port=9094, broker_id=1)
ZERO_NS = 10**12
TIMES = st.integers(0, 2**62)


def samples(*times: tuple[int, int, int]) -> Samples:
    made = Samples()
    for scheduled_ns, started_ns, duration_ns in times:
        made.add(scheduled_ns=scheduled_ns, started_ns=started_ns, duration_ns=duration_ns)
    return made


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.tuples(TIMES, TIMES, TIMES), max_size=40))
def test_what_is_packed_is_unpacked(times: list[tuple[int, int, int]]) -> None:
    blocks = list(pack(Measured.CONNECT, TARGET, samples(*times), zero_ns=ZERO_NS, warm_up=False))
    back = Samples()
    for block in blocks:
        line = decode_line(encode_line(block))
        assert isinstance(line, SampleBlock)
        back.extend(unpack(line))
    expected = samples(*((scheduled - ZERO_NS, started - ZERO_NS, took) for scheduled, started, took in times))
    assert back == expected


def test_many_samples_are_several_lines_none_of_them_long() -> None:
    many = samples(*((index * 7**9, index * 7**9 + 12345 * index, 3**20 + index**3) for index in range(10_000)))
    blocks = list(pack(Measured.PRODUCE_ACK, TARGET, many, zero_ns=0, warm_up=True))
    assert [block.samples for block in blocks] == [BLOCK_SAMPLES, BLOCK_SAMPLES, 10_000 - 2 * BLOCK_SAMPLES]
    assert max(len(encode_line(block)) for block in blocks) < 200_000


@pytest.mark.parametrize("damage", ["", "####", "eJw=", None], ids=["nothing", "no base64", "torn", "another number"])
def test_a_damaged_block_is_refused(damage: str | None) -> None:
    (block,) = pack(Measured.CONNECT, TARGET, samples((1, 2, 3), (4, 5, 6)), zero_ns=0, warm_up=False)
    columns = block.columns if damage is None else damage
    number = 3 if damage is None else block.samples
    with pytest.raises(UnreadableSamplesError):
        unpack(SampleBlock(what=block.what, target=TARGET, warm_up=False, samples=number, columns=columns))


def series(what: Measured = Measured.CONNECT, broker_id: int | None = 1, round_: int = 0, number: int = 5) -> Series:
    at = np.arange(number, dtype=np.int64) * 1000
    return Series(
        whose=Whose(run_id="r", client="b", pattern="peering", round=round_),
        broker_id=broker_id,
        name="b-1",
        address="10.0.0.1",
        what=what,
        warm_up=round_ == 1,
        scheduled_ns=at,
        started_ns=at + 10,
        duration_ns=at * 0 + 100 + round_,
    )


def test_a_file_holds_what_was_written(tmp_path: Path) -> None:
    written = [series(), series(Measured.RESOLVE, None), series(round_=1), series(round_=2, number=1)]
    path = tmp_path / "it's samples.parquet"
    write_samples(written, path)
    read = read_samples(path)
    assert len(read) == len(written)
    for before, after in zip(written, read, strict=True):
        assert (before.whose, before.broker_id, before.what) == (after.whose, after.broker_id, after.what)
        assert (before.name, before.address, before.warm_up) == (after.name, after.address, after.warm_up)
        for column in ("scheduled_ns", "started_ns", "duration_ns", "since_scheduled_ns"):
            assert np.array_equal(getattr(before, column), getattr(after, column))
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_no_samples_has_all_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "samples.parquet"
    write_samples([], path)
    assert read_samples(path) == ()
    with duckdb.connect() as connection:
        described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
    types = {row[0]: row[1] for row in described}
    assert tuple(types) == COLUMNS
    assert (types["what"], types["broker_id"], types["warm_up"], types["duration_ns"]) == (
        "VARCHAR",
        "INTEGER",
        "BOOLEAN",
        "BIGINT",
    )


def test_what_is_no_file_of_samples_is_named(tmp_path: Path) -> None:
    path = tmp_path / "samples.parquet"
    path.write_text("nothing of the kind")
    for wrong in (path, tmp_path / "missing.parquet"):
        with pytest.raises(SamplesError, match=wrong.name):
            read_samples(wrong)
    with pytest.raises(SamplesError, match="cannot be written"):
        write_samples([series()], tmp_path / "no folder" / "samples.parquet")


def test_times_are_of_the_probes_wall_clock() -> None:
    (block,) = pack(Measured.CONNECT, TARGET, samples((ZERO_NS + 5, ZERO_NS + 7, 3)), zero_ns=ZERO_NS, warm_up=False)
    whose = Whose(run_id="r", client="b", pattern="peering")
    started = Started(
        plan_id="p", client="b", probe_version="1", host="h", python="3", wall_clock="2001-09-09T01:46:40+00:00"
    )
    one = series_of(block, whose, started)
    assert (one.scheduled_ns[0], one.started_ns[0], one.duration_ns[0]) == (10**18 + 5, 10**18 + 7, 3)
    assert one.since_scheduled_ns[0] == 5
    assert series_of(block, whose, None).started_ns[0] == 7
