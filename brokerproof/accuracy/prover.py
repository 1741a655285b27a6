"""Carries out trials on one lab: put the faults in, look, take them out, see that they are out.

A lab that something is wrong with afterwards is not used again. How trials are shared out among
labs is in :mod:`brokerproof.accuracy.campaign`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from brokerproof.accuracy.account_witness import AccountWitness
from brokerproof.accuracy.cases import Case, together
from brokerproof.accuracy.lab_clients import Clients, LabEvidence, NoEvidenceError
from brokerproof.accuracy.score import Attribution, score
from brokerproof.accuracy.snapshots import Snapshot, seen_only_in, told_apart
from brokerproof.accuracy.stored_evidence import advised_in, named_in
from brokerproof.accuracy.trial import Trial, TrialKind, Which
from brokerproof.aws.audit.values import Audit
from brokerproof.diagnosis.finding import ClientEvidence
from brokerproof.lab.errors import LabError
from brokerproof.lab.faults import FAULTS
from brokerproof.lab.faults.fault import afflicted
from brokerproof.lab.life.handle import Lab
from brokerproof.lab.network.blueprint import compile_topology
from brokerproof.lab.network.difference import difference
from brokerproof.probes.plan import Limits
from brokerproof.running.lab_pool import LabPool
from brokerproof.topology.files import TopologyError
from brokerproof.topology.models import Topology

Keep = Callable[[str, Sequence[ClientEvidence]], None]
"""Takes what the clients of a case saw."""

LONGEST: Final = 300
"""Characters of a problem that are kept."""
SHOWN: Final = 3
"""Checks quoted where a fault is not undone; they are all of one kind."""


class Prover:
    """One worker: at most one lab at a time, changed to what each case needs."""

    def __init__(
        self,
        *,
        which: Which,
        limits: Limits,
        progress: Callable[[str], None],
        keep: Keep | None = None,
        witness: AccountWitness | None = None,
    ) -> None:
        self._witness = witness
        self._case: Case | None = None
        self._which = which
        self._limits = limits
        self._keep = keep
        self._pool = LabPool(progress)
        self._lab: Lab | None = None
        self._clients: Clients | None = None
        self._abandoned = False

    def carry_out(self, case: Case) -> Trial:
        """The case's trial; whatever goes wrong with the lab or a probe is its ``problem``."""
        try:
            trial = self._try(case)
        except (LabError, NoEvidenceError, TopologyError, OSError) as error:
            self._drop()
            return msgspec.structs.replace(_untried(case), problem=_short(str(error) or repr(error)))
        except BaseException:
            self._drop()
            raise
        if trial.not_undone or (case.kind.is_clean and not score(trial).good):
            self._drop()
        return trial

    def abandon(self) -> None:
        """End the lab at once, from another thread: whatever is being done there fails, and nothing more begins."""
        self._abandoned = True
        self._pool.kill()

    def close(self) -> None:
        """End the lab, if there is one."""
        self._drop()

    def _drop(self) -> None:
        clients, self._clients, self._lab = self._clients, None, None
        if clients is not None:
            clients.close()
        self._pool.close()

    def _become(self, intended: Topology) -> tuple[Lab, Clients]:
        lab, clients = self._lab, self._clients
        if lab is None or clients is None or not _is_still(lab, intended):
            if clients is not None:
                clients.close()
            before, lab = lab, self._pool.lab(intended)
            self._lab = lab
            clients = self._clients = Clients(lab, self._limits, self._audited)
            if lab is not before:
                # Brokers that were never spoken to take seconds for a first handshake on a busy machine.
                clients.verify([client.name for client in intended.clients])
        if self._abandoned:
            raise LabError("interrupted")
        return lab, clients

    def _try(self, case: Case) -> Trial:
        self._case = case
        lab, clients = self._become(case.intended)
        names = self._names(case)
        if case.kind.is_clean:
            return _with(_untried(case), self._stored(case, clients.verify(names)))
        evidence = self._stored(case, _with_faults(lab, clients, case.faults, names))
        trial = _with(_untried(case), evidence)
        hidden = tuple(
            fault for fault in _unnamed(trial) if _is_hidden(lab, clients, case.faults, fault, names, evidence)
        )
        return msgspec.structs.replace(trial, hidden=hidden, not_undone=_still_wrong(lab, clients, evidence))

    def _audited(self) -> Audit | None:
        """What the account shows while the faults of the case at hand are in; None without such a witness."""
        if self._witness is None or self._case is None:
            return None
        return self._witness.of(self._case)

    def _stored(self, case: Case, evidence: LabEvidence) -> LabEvidence:
        if self._keep is not None:
            self._keep(case.case_id, evidence.seen)
        return evidence

    def _names(self, case: Case) -> tuple[str, ...]:
        every = tuple(client.name for client in case.intended.clients)
        if self._which is Which.ALL or case.kind.is_clean:
            return every
        shown = {afflicted(case.intended, FAULTS[fault]).name for fault in case.faults}
        return tuple(name for name in every if name in shown)


def _is_still(lab: Lab, intended: Topology) -> bool:
    if lab.unknown or not lab.topology == lab.intended == intended:
        return False
    return not any(state.startswith("ended") for state in lab.status()["brokers"].values())


def _with_faults(lab: Lab, clients: Clients, faults: Sequence[str], names: Sequence[str]) -> LabEvidence:
    _apply(lab, clients, together(lab.intended, faults))
    return clients.verify(names)


def _is_hidden(  # noqa: PLR0917 - two states of one lab, and who looks at them
    lab: Lab, clients: Clients, faults: Sequence[str], fault: str, names: Sequence[str], evidence: LabEvidence
) -> bool:
    """Whether nothing that clients observe differs between this fault's absence and its presence among the others.

    What differs is looked at again, by turns, because a state changes by itself as well. A fault that shows now here
    and now there is no steady difference: it is not hidden where it ever shows what is never seen without it.
    """
    others = [one for one in faults if one != fault]
    differ = seen_only_in if FAULTS[fault].by_chance else told_apart
    with_it: list[Snapshot] = [evidence.snapshot]
    without: list[Snapshot] = []
    each_turn = ((others, without), (faults, with_it))
    for put_in, snapshots in (*each_turn, *each_turn, each_turn[0]):
        snapshots.append(_with_faults(lab, clients, put_in, names).snapshot)
        if differ is told_apart and not told_apart(with_it, without):
            return True
    return not differ(with_it, without)


def _apply(lab: Lab, clients: Clients, topology: Topology) -> None:
    """Change the lab; the probes of hosts that are made anew go."""
    before = compile_topology(lab.topology)
    steps = difference(before, compile_topology(topology))
    anew = {*steps.namespaces_removed, *(namespace.name for namespace in steps.namespaces_added)}
    clients.forget([name for name, namespace in before.clients if namespace in anew])
    lab.apply(topology)


def _unnamed(trial: Trial) -> tuple[str, ...]:
    """What another look is worth: only among several faults one can hide another."""
    unseen = {Attribution.MISSED, Attribution.WRONG, Attribution.UNKNOWN, Attribution.WIDER}
    several = trial.kind is TrialKind.TOGETHER
    return tuple(cause.fault for cause, found in score(trial).causes if several and found in unseen)


def _still_wrong(lab: Lab, clients: Clients, evidence: LabEvidence) -> str:
    """Take every fault out, and return what the clients that observed them still find wrong."""
    _apply(lab, clients, lab.intended)
    if lab.topology != lab.intended:
        return "the lab does not report that it is as intended"
    affected = tuple(dict.fromkeys(check.client for check in evidence.red))
    left = clients.verify(affected).red if affected else ()
    return "; ".join(f"{check.client}/{check.check_id}: {check.observed}" for check in left[:SHOWN])


def _short(words: str) -> str:
    """One line; a lab's last words have their end cut, which is the tail of a log."""
    line = " ".join(words.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} ..."


def _untried(case: Case) -> Trial:
    return Trial(case_id=case.case_id, kind=case.kind, pattern=case.pattern, injected=case.injected)


def _with(trial: Trial, evidence: LabEvidence) -> Trial:
    return msgspec.structs.replace(
        trial,
        answer=evidence.diagnosis.answer.value,
        named=named_in(evidence.diagnosis),
        advised=advised_in(evidence.diagnosis),
        clients=evidence.clients,
        verdict_ms=evidence.verdict_ms,
        load=round(os.getloadavg()[0], 1),
    )
