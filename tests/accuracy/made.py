"""Trials made by hand, and the hypothesis strategy of any."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from brokerproof.accuracy.trial import ClientTime, Header, Injected, Named, Selection, Trial, TrialKind, Which
from brokerproof.reports.document import Host

HEADER = Header(
    started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    version="0.1.0",
    host=Host(kernel="6.1", python="3.11.2", machine="x86_64", cores=2),
    selection=Selection(clean=2, together=3, draws=4, seed=7, clients=Which.AFFLICTED),
    cases=3,
    digest="0" * 64,
)


def fault(cause: str, *alike: str, name: str = "") -> Injected:
    return Injected(
        fault=name or cause.replace(".", "-"), layer=cause.partition(".")[0], cause=cause, codes=(cause, *alike)
    )


def named(*codes: str, stage: str = "connect") -> Named:
    return Named(codes=codes, stage=stage, clients=("peered",), subjects=("broker-1",))


def trial(
    *injected: Injected,
    found: tuple[Named, ...] = (),
    answer: str = "",
    hidden: tuple[str, ...] = (),
    problem: str = "",
    not_undone: str = "",
    took_ms: int = 1000,
    case_id: str = "",
    pattern: str = "peering",
) -> Trial:
    kind = (TrialKind.CLEAN, TrialKind.SINGLE)[len(injected)] if len(injected) < 2 else TrialKind.TOGETHER
    return Trial(
        case_id=case_id or f"{kind}/{pattern}/{'+'.join(one.fault for one in injected) or '1'}",
        kind=kind,
        pattern=pattern,
        injected=injected,
        answer=answer or ("" if problem else "findings" if found else "nothing_wrong"),
        named=found,
        hidden=hidden,
        clients=() if problem else (ClientTime(client="peered", took_ms=took_ms, deadline_ms=10_000),),
        verdict_ms=None if problem else took_ms + 5,
        problem=problem,
        not_undone=not_undone,
    )


CODES = ("dns.one", "dns.two", "route.one", "route.two", "tls.one", "unknown.at_stage")
_codes = st.lists(st.sampled_from(CODES), min_size=1, max_size=3, unique=True).map(tuple)


@st.composite
def injected_faults(draw: st.DrawFn) -> tuple[Injected, ...]:
    faults = draw(st.lists(_codes, max_size=3, unique=True))
    return tuple(fault(*codes, name=f"fault-{'-'.join(codes)}") for codes in faults)


@st.composite
def trials(draw: st.DrawFn) -> tuple[Trial, ...]:
    every = []
    for number in range(draw(st.integers(0, 6))):
        faults = draw(injected_faults())
        hidden = draw(st.lists(st.sampled_from([one.fault for one in faults]), unique=True)) if faults else []
        made = trial(
            *faults,
            found=tuple(named(*codes) for codes in draw(st.lists(_codes, max_size=3))),
            answer=draw(st.sampled_from(["", "not_enough_seen"])),
            hidden=tuple(hidden),
            problem=draw(st.sampled_from(["", "", "", "the lab ended"])),
            not_undone=draw(st.sampled_from(["", "", "still red"])),
            took_ms=draw(st.integers(0, 20_000)),
            case_id=f"case/{number}",
        )
        every.append(made)
    return tuple(every)
