"""``brokerproof lab try``: a planned change on a running lab, and what it would break."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from brokerproof.cli.endings import COULD_NOT, NOT_RIGHT, as_sentences
from brokerproof.diagnosis.finding import Diagnosis
from brokerproof.diagnosis.finding_text import text_of
from brokerproof.lab.life.handle import Lab
from brokerproof.running.trying import Path as ClientPath
from brokerproof.running.trying import Tried, checks_of, compared, diagnosis_of, try_change
from brokerproof.topology.files import load
from brokerproof.wording import printable


@click.command("try")
@click.argument("changed", metavar="CHANGED", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--name", default=None, help="Which lab; not needed while only one runs.")
@as_sentences
def lab_try(changed: Path, name: str | None) -> None:
    """Try a planned change on a running lab: which paths of its clients would break, and why.

    CHANGED is the lab's topology file with the change in it. Every client is verified as the lab is and again with the
    change, which is then taken out: the lab is left as it was.

    Exit codes: 0 nothing breaks; 1 a path that works now would not, or something new fails; 2 wrong use; 3 could not
    be carried out, or a path was not seen.
    """
    wanted = load(changed)
    running = Lab.attach(name)
    try:
        now = running.topology
        before, after = try_change(running, wanted, lambda text: click.echo(f"  {text}", err=True))
    finally:
        running.close()
    tried = compared(checks_of(before), checks_of(after))
    for line in lines_of(tried, diagnosis_of(before, now), diagnosis_of(after, wanted)):
        click.echo(printable(line))
    sys.exit(code_of(tried))


def lines_of(tried: Tried, before: Diagnosis, after: Diagnosis) -> Iterator[str]:
    """The result in words: paths, then what is wrong with the change and was not before."""
    for word, paths in (
        ("BREAKS", tried.breaks),
        ("MENDS", tried.mends),
        ("STILL FAILS", tried.fails),
        ("GONE", tried.gone),
        ("NOT SEEN", tried.unknown),
    ):
        yield from (f"{word:<12} {words}" for words in _by_client(paths))
    known = {(finding.codes, finding.clients, finding.subjects) for finding in before.findings}
    for finding in after.findings:
        if (finding.codes, finding.clients, finding.subjects) not in known:
            yield ""
            yield from text_of(finding).splitlines()
    yield ""
    yield verdict(tried)


def _by_client(paths: Iterable[ClientPath]) -> Iterator[str]:
    subjects: dict[str, list[str]] = {}
    for path in paths:
        subjects.setdefault(path.client, []).append(path.subject)
    for client, each in subjects.items():
        yield f"{client}: {', '.join(each)}"


def verdict(tried: Tried) -> str:
    """The whole in one line."""
    if tried.breaks:
        more = f", and mends {len(tried.mends)}" if tried.mends else ""
        return f"the change breaks {len(tried.breaks)} path(s){more}; {len(tried.works)} work as before"
    if tried.unknown:
        return f"{len(tried.unknown)} path(s) were not seen: nothing is known of them"
    more = f", and mends {len(tried.mends)} path(s)" if tried.mends else ""
    return f"the change breaks nothing{more}; {len(tried.works)} path(s) work as before"


def code_of(tried: Tried) -> int:
    """The exit code."""
    if tried.breaks:
        return NOT_RIGHT
    return COULD_NOT if tried.unknown else 0
