"""A confusion matrix in sentences and figures, for its Markdown and its HTML. Values in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist
from typing import Final

from brokerproof.accuracy.matrix import Matrix, Part, Row, Times
from brokerproof.accuracy.score import Attribution
from brokerproof.accuracy.trial import Selection, TrialKind, Which
from brokerproof.reports.words import count, figure
from brokerproof.running.planning import VERDICT_MS

MEANS: Final[dict[Attribution, str]] = {
    Attribution.SHARP: "a finding names the cause, alone",
    Attribution.RIGHT_SET: "a stated set of causes that clients cannot tell apart, the injected one among them",
    Attribution.WIDER: "a set with the cause in it, and causes that are not stated for the fault",
    Attribution.HIDDEN: "another fault hides it: without it no client saw anything else that lasts",
    Attribution.UNKNOWN: "found, and reported as of unknown cause",
    Attribution.RIGHTLY_UNKNOWN: "found, and reported as of unknown cause: the catalogue has no word for it",
    Attribution.WRONG: "other causes named",
    Attribution.MISSED: "nothing named",
}
HEADS: Final[dict[Attribution, str]] = {
    Attribution.SHARP: "sharp",
    Attribution.RIGHT_SET: "right set",
    Attribution.WIDER: "set too wide",
    Attribution.HIDDEN: "hidden",
    Attribution.UNKNOWN: "cause unknown",
    Attribution.RIGHTLY_UNKNOWN: "rightly unknown",
    Attribution.WRONG: "wrong",
    Attribution.MISSED: "missed",
}
KINDS: Final[dict[TrialKind, str]] = {
    TrialKind.SINGLE: "one fault at a time",
    TrialKind.TOGETHER: "several faults at once",
    TrialKind.FIELD: "field cases",
    TrialKind.CLEAN: "nothing wrong, idle machine",
    TrialKind.BUSY: "nothing wrong, busy machine",
}
FAULTY: Final = tuple(kind for kind in TrialKind if not kind.is_clean)
"""The kinds of trials that have faults."""
CONFIDENCE: Final = 0.95
"""Of the intervals beside shares."""


def layer(name: str) -> str:
    """A layer as people write it."""
    return {"dns": "DNS", "tls": "TLS", "tcp": "TCP", "nlb": "NLB"}.get(name, name.replace("_", " "))


def codes(named: Sequence[str]) -> str:
    """A set of codes, or that there is none."""
    return " or ".join(named) if named else "nothing"


def seconds(ms: int | None) -> str:
    """A time to verdict."""
    return "-" if ms is None else f"{figure(ms / 1000)} s"


def share(some: int, every: int) -> str:
    """``97.5 %``; one hundred only where it is all of them."""
    if not every:
        return "-"
    percent = 100 * some / every
    return f"{percent:.0f} %" if some in {0, every} else f"{min(percent, 99.9):.1f} %"


def heading(matrix: Matrix, kind: TrialKind) -> str:
    """A kind of trials as a proof has them: of drawn ones with their seed, of others with how many faults there are."""
    match kind:
        case TrialKind.TOGETHER:
            return f"{KINDS[kind]}, drawn with seed {matrix.header.selection.seed}"
        case TrialKind.SINGLE | TrialKind.FIELD:
            faults = {injected.fault for trial in matrix.trials if trial.kind is kind for injected in trial.injected}
            return f"{KINDS[kind]}, {len(faults)} {'fault' if len(faults) == 1 else 'faults'}"
        case _:
            return KINDS[kind]


def interval(some: int, every: int) -> tuple[float, float]:
    """Wilson's score interval of a share: it holds the true one in :data:`CONFIDENCE` of all cases.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference (1927); it says something also
    where all or none were seen.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    mean = some / every
    scale = 1 + z**2 / every
    middle = (mean + z**2 / (2 * every)) / scale
    half = z / scale * sqrt(mean * (1 - mean) / every + z**2 / (4 * every**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def share_within(some: int, every: int) -> str:
    """``97.5 % (94.2 to 98.9)``: a share, and the interval that the number of cases leaves for the true one."""
    if not every:
        return "-"
    low, high = interval(some, every)
    return f"{share(some, every)} ({100 * low:.1f} to {100 * high:.1f})"


FIGURES: Final = (
    "trials",
    "causes",
    "sharp",
    "right set",
    "mean set size",
    "set too wide",
    "wrong: said alone",
    "wrong: a set",
    "missed",
    "unknown",
    "rightly unknown",
    "false alarms",
)
"""The heads of what :func:`figures` says."""


def figures(part: Part) -> tuple[str, ...]:
    """What a page leads with, of one kind of trials. Shares are of the causes that could be seen."""
    seen = part.causes - part.attributions[Attribution.HIDDEN]
    measured = part.trials - part.not_carried_out
    alarms = f"{part.false_alarms:,}, in {share_within(part.alarmed, measured)} of trials"
    if part.disturbed:
        alarms = f"{alarms}; {count(part.disturbed, 'trial')} disturbed: over by the next look, or late"
    if part.kind.is_clean:
        return (f"{measured:,}", *[""] * (len(FIGURES) - 2), alarms)
    of = {
        attribution: share_within(times, seen)
        for attribution, times in part.attributions.items()
        if attribution is not Attribution.HIDDEN
    }
    return (
        f"{measured:,}",
        f"{part.causes:,}" if seen == part.causes else f"{part.causes:,}, {part.causes - seen:,} of them hidden",
        of[Attribution.SHARP],
        of[Attribution.RIGHT_SET],
        "-" if part.mean_set_size is None else f"{part.mean_set_size:.2f}",
        of[Attribution.WIDER],
        f"{part.wrong_alone:,}",
        f"{part.wrong_sets:,}",
        of[Attribution.MISSED],
        of[Attribution.UNKNOWN],
        of[Attribution.RIGHTLY_UNKNOWN],
        alarms,
    )


def verdict(matrix: Matrix) -> str:
    """The whole in one sentence."""
    left = matrix.header.cases - len(matrix.trials)
    said = [
        f"{KINDS[part.kind]}: {part.good:,} of {part.trials:,} trials as they must be"
        for part in matrix.parts
        if part.trials
    ]
    if left:
        said.append(f"{count(left, 'trial')} not made")
    return "; ".join(said) if said else "no trial was made"


def summary(part: Part) -> str:
    """What became of one kind's causes, or of its clean labs."""
    measured = part.trials - part.not_carried_out
    said = []
    if not part.kind.is_clean:
        seen = part.causes - part.attributions[Attribution.HIDDEN]
        found = seen - part.attributions[Attribution.MISSED]
        sharp, right_set = part.attributions[Attribution.SHARP], part.attributions[Attribution.RIGHT_SET]
        said = [
            f"{count(part.causes, 'cause')} injected in {count(measured, 'trial')}",
            f"{found:,} detected ({share(found, seen)})",
            f"{sharp:,} named alone ({share(sharp, seen)})",
            f"{right_set:,} in a right set ({share(right_set, seen)})",
            f"{count(part.wrong_alone, 'wrong cause')} said alone",
        ]
        if part.attributions[Attribution.HIDDEN]:
            said.append(f"{part.attributions[Attribution.HIDDEN]:,} hidden by another, not counted in the shares")
    else:
        said = [count(measured, "trial")]
    said.append(count(part.false_alarms, "false alarm"))
    if part.disturbed:
        said.append(f"{count(part.disturbed, 'trial')} disturbed: over by the next look, or late")
    if part.unanswered:
        said.append(f"{count(part.unanswered, 'trial')} without an answer")
    if part.not_carried_out:
        said.append(f"{count(part.not_carried_out, 'trial')} not carried out")
    return ", ".join(said)


def times(found: Times) -> str:
    """Time to verdict in words."""
    if found.median_ms is None:
        return "-"
    said = f"median {seconds(found.median_ms)}, worst {seconds(found.worst_ms)}"
    if found.whole_worst_ms in {None, found.worst_ms}:
        return said
    return f"{said}; whole verification {seconds(found.whole_median_ms)}, worst {seconds(found.whole_worst_ms)}"


def deadlines(matrix: Matrix) -> str:
    """Verifications against their deadlines."""
    deadlines = matrix.deadlines
    said = f"{count(deadlines.verifications, 'verification')}, {deadlines.over:,} beyond the deadline by more than 5 %"
    return (
        f"{said}; the worst by {100 * deadlines.worst_overrun:.1f} %"
        if deadlines.worst_overrun
        else f"{said}; none beyond it"
    )


def load(matrix: Matrix) -> str:
    """How busy the machine was, and what that means for times."""
    cores = matrix.header.host.cores
    said = f"load average {matrix.load:g} on {count(cores, 'core')}, in the median"
    return f"{said}: times are those of a machine that is too busy" if matrix.load > 2 * cores else said


STAYING = (
    "Each cause of a set gives the clients the same observations, so the diagnosis names them all. A call to AWS or "
    "Kafka, or a look at a host, tells them apart."
)
YOUNGER = "by rules younger than the trials"
AGAIN = (
    "What clients saw then was kept, and is diagnosed here by rules and measured by expectations as they are now: they "
    "may have been mended since, after these very trials"
)


def rules(matrix: Matrix) -> str:
    """Which rules made the figures."""
    digest = matrix.header.rules
    said = f"rules {digest[:12]}" if digest else "rules that were not written down"
    return f"{said}, younger than the trials" if matrix.header.diagnosed_again else f"{said}, as before the first trial"


def chosen(selection: Selection) -> str:
    """What was run, as options of the command that runs it again."""
    words = ["brokerproof lab prove"]
    for flag, values in (
        ("--pattern", selection.patterns),
        ("--layer", selection.layers),
        ("--fault", selection.faults),
    ):
        words += [f"{flag} {value}" for value in values]
    if not selection.singles:
        words.append("--no-singles")
    if selection.clean:
        words.append(f"--clean {selection.clean}")
    if selection.busy:
        words.append(f"--busy {selection.busy}")
    if selection.together:
        words.append(f"--together {selection.together} --draws {selection.draws} --seed {selection.seed}")
    if selection.clients is not Which.ALL:
        words.append(f"--clients {selection.clients}")
    if selection.verdict_ms != VERDICT_MS:
        words.append(f"--verdict-within {selection.verdict_ms / 1000:g}")
    return " ".join(words)


def rows_of(matrix: Matrix, kind: TrialKind, in_layer: str) -> tuple[Row, ...]:
    """The faults of a layer, in one kind of trial."""
    return tuple(row for row in matrix.rows if row.kind is kind and row.layer == in_layer)


def layers_of(matrix: Matrix, kind: TrialKind) -> tuple[str, ...]:
    """The layers of the faults that were injected, in the order of their names."""
    return tuple(sorted({row.layer for row in matrix.rows if row.kind is kind}))


def is_good(row: Row) -> bool:
    """Whether the fault was attributed rightly every time."""
    return all(attribution.good or not times for attribution, times in row.attributions.items())
