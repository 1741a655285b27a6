"""The runs of several clients as one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import Diagnosis, Finding
from brokerproof.running.planning import ClientRun


class ClientRuns(Mapping[str, ClientRun]):
    """Clients' runs by the clients' names, in the topology's order."""

    def __init__(self, runs: Mapping[str, ClientRun]) -> None:
        self._runs = dict(runs)

    @property
    def diagnosis(self) -> Diagnosis:
        """What all these clients show together."""
        return diagnose([run.seen for run in self._runs.values()])

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong, and what to change; empty is no proof that all was seen: ask ``diagnosis.answer``."""
        return self.diagnosis.findings

    def __getitem__(self, client: str) -> ClientRun:
        return self._runs[client]

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)
