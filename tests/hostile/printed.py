"""Commands that meet hostile peers, and everything that they print or write: no raw control character may be left.

A command runs as a user runs it, in the network of the thread that starts it. What it writes is read as bytes, file by
file; only formats that no terminal shows as text are left out.
"""

from __future__ import annotations

import asyncio
import sys
import unicodedata
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.hostile.mutations import attack_text
from tests.hostile.served import ROOT, Served
from tests.probes.fake_cluster import FakeCluster, fake_cluster
from tests.probes.peers import LOOPBACK

BINARY = {".parquet", ".png", ".gz", ".sqlite", ".db"}
"""Compressed or packed: nobody shows them as text. What a database has is shown by commands, which are looked at."""
AS_TEXT = frozenset("\n\t")
"""And other spaces than ASCII's: Graphviz makes some, and nobody is fooled by one."""
LONGEST_S = 300.0
BROKERPROOF = (sys.executable, "-c", "from brokerproof.cli.main import main; main()")


def raw_characters(text: str) -> list[str]:
    """What acts on who prints it, or is hidden from who reads it."""
    unseen = (each for each in set(text) if not each.isprintable() and each not in AS_TEXT)
    return sorted(each for each in unseen if unicodedata.category(each) != "Zs")


def problems_of(where: str, content: bytes) -> Iterator[str]:
    """What is wrong with one text that was printed or written."""
    try:
        text = content.decode()
    except UnicodeDecodeError as failure:
        yield f"{where}: no UTF-8: {content[failure.start - 20 : failure.end + 20]!r}"
        return
    if found := raw_characters(text):
        at = text.index(found[0])
        yield f"{where}: {', '.join(map(repr, found))}, as in {text[max(0, at - 40) : at + 20]!r}"


async def carried_out(folder: Path, *words: str) -> list[str]:
    """Run a command in a folder, and look at all that it printed there and wrote."""
    process = await asyncio.create_subprocess_exec(
        *BROKERPROOF,
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(folder), "COLUMNS": "120"},
    )
    try:
        async with asyncio.timeout(LONGEST_S):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return [f"{words[0]} was not over after {LONGEST_S:.0f} s"]
    if words[0] == "topology":
        (folder / "topology.yaml").write_bytes(out)
    problems = [f"{words[0]}: a traceback: {err[-500:]!r}"] if b"Traceback (most recent call last)" in err else []
    problems += [*problems_of(f"{words[0]}, stdout", out), *problems_of(f"{words[0]}, stderr", err)]
    return problems + _problems_in(words[0], folder)


def _problems_in(command: str, folder: Path) -> list[str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in BINARY)
    return [each for path in files for each in problems_of(f"{command}, {path.relative_to(folder)}", path.read_bytes())]


def attacking(rng: Random, cluster: FakeCluster) -> None:
    """Have texts of the cluster's answers be attacks."""
    share = rng.choice((0.2, 1.0))

    def hostile(_key: int, _version: int, payload: bytes) -> bytes:
        return payload[:4] + attack_text(rng, payload[4:]) if rng.random() < share else payload

    cluster.hostile = hostile


REPORTS = "--report markdown --report annotations --history history"
COMMANDS: dict[str, tuple[str, ...]] = {
    "verify": (f"verify {{at}} --plaintext --run-dir run {REPORTS}",),
    "verify from a far side": ("verify {at} --plaintext --run-dir run --history history --from",),
    "canary": (
        "topology from {at} --plaintext",
        "canary run topology.yaml --state state --once --json events.json --emf metrics.emf",
        "canary page --state state --output page.html",
    ),
}
"""Commands one after another; what the first prints is the topology of those that follow."""


async def printed(seed: int, _probe: Served, *, name: str = "") -> list[str]:
    """A command whose peers attack who reads of them."""
    rng = Random(seed)
    name = name or rng.choice(sorted(COMMANDS))
    far_side = f"env PYTHONPATH={ROOT} {sys.executable} {Path(__file__).with_name('far_side.py')} {seed}"
    with TemporaryDirectory() as folder:
        async with fake_cluster(1) as cluster:
            attacking(rng, cluster)
            problems = []
            for command in COMMANDS[name]:
                words = command.format(at=f"{LOOPBACK}:{cluster.ports[1]}").split()
                problems += await carried_out(Path(folder), *words, *([far_side] if words[-1] == "--from" else []))
            return problems
