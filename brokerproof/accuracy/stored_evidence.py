"""What clients observed in a trial, kept on disk, so that it can be diagnosed again without the lab."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from brokerproof.accuracy.lab_clients import verdict_ms
from brokerproof.accuracy.trial import Named, Trial
from brokerproof.aws.audit.values import Audit
from brokerproof.diagnosis.basis import RunOutcomes
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import ClientEvidence, Diagnosis
from brokerproof.diagnosis.judge import judge
from brokerproof.probes.outcome import HostFacts, Outcome
from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.foreign_text import encode_json
from brokerproof.probes.plan import VERIFY_STAGES
from brokerproof.reports.files import write_atomically
from brokerproof.topology.expectation.view import ClientView

FOLDER: Final = "evidence"


class _Stored(Value, frozen=True, kw_only=True):
    """What a client saw, as it is kept. Its checks are made again, so nothing of them needs to be understood."""

    view: ClientView
    outcomes: tuple[Outcome, ...]
    complete: bool = True
    host: HostFacts | None = None
    began_ns: int = 0
    checks: msgspec.Raw = msgspec.Raw(b"[]")


_decoder: Final = msgspec.json.Decoder(tuple[_Stored, ...])


class StoredEvidenceError(ValueError):
    """What was kept cannot be read; one sentence."""


def keep(folder: Path, case_id: str, seen: Sequence[ClientEvidence]) -> None:
    """Write down what the clients of a case saw.

    Raises:
        OSError: the folder cannot be written.
    """
    path = _path(folder, case_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, gzip.compress(encode_json(tuple(seen)), compresslevel=3, mtime=0))


def is_in(folder: Path) -> bool:
    """Whether the proof in this folder keeps what clients observe; a resumed one goes on doing so."""
    return (folder / FOLDER).is_dir()


def seen_in(folder: Path, case_id: str) -> tuple[ClientEvidence, ...]:
    """What the clients of a case saw, with the checks that today's judgement makes of it.

    Raises:
        KeptError: it was not kept, or by another version.
    """
    path = _path(folder, case_id)
    try:
        stored = _decoder.decode(gzip.decompress(path.read_bytes()))
    except OSError as error:
        raise StoredEvidenceError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (EOFError, msgspec.DecodeError) as error:
        raise StoredEvidenceError(f"{path}: not written by this version: {error}") from None
    return tuple(map(_judged, stored))


def named_in(diagnosis: Diagnosis) -> tuple[Named, ...]:
    """The findings, as a trial keeps them."""
    return tuple(
        Named(
            codes=tuple(sorted(code.value for code in finding.codes)),
            stage=finding.stage.value,
            clients=finding.clients,
            subjects=finding.subjects,
        )
        for finding in diagnosis.findings
    )


def advised_in(diagnosis: Diagnosis) -> tuple[str, ...]:
    """The advices, as a trial keeps them."""
    return tuple(sorted(advice.code.value for advice in diagnosis.advices))


def diagnosed_again(
    folder: Path, trials: Iterable[Trial], audited: Callable[[Trial], Audit | None] = lambda _: None
) -> tuple[Trial, ...]:
    """The trials, with the evidence of then judged and diagnosed by today's rules.

    Raises:
        KeptError: the evidence of a trial was not kept.
    """
    return tuple(trial if trial.problem else _again(folder, trial, audited(trial)) for trial in trials)


def _again(folder: Path, trial: Trial, audit: Audit | None) -> Trial:
    seen = seen_in(folder, trial.case_id)
    diagnosis = diagnose(seen, audit)
    return msgspec.structs.replace(
        trial,
        answer=diagnosis.answer.value,
        named=named_in(diagnosis),
        advised=advised_in(diagnosis),
        verdict_ms=verdict_ms(seen, diagnosis, max((client.took_ms for client in trial.clients), default=0)),
    )


def _judged(stored: _Stored) -> ClientEvidence:
    """A proof measures nothing but the verification, so these are its stages."""
    outcomes = RunOutcomes(outcomes=stored.outcomes, complete=stored.complete)
    return ClientEvidence(
        view=stored.view,
        checks=judge(stored.view, outcomes, VERIFY_STAGES),
        outcomes=stored.outcomes,
        complete=stored.complete,
        host=stored.host,
        began_ns=stored.began_ns,
    )


def _path(folder: Path, case_id: str) -> Path:
    return folder / FOLDER / f"{case_id.replace('/', '.')}.json.gz"
