"""What is wrong, as values: findings, and the answer of a whole diagnosis. No logic beyond properties."""

from __future__ import annotations

from enum import StrEnum

from brokerproof.aws.audit.values import AuditFinding
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.advice.advice import Advice
from brokerproof.diagnosis.check import Check
from brokerproof.probes.outcome import HostFacts, Outcome, Stage
from brokerproof.probes.outcome.base import Value
from brokerproof.topology.expectation.view import ClientView


class ClientEvidence(Value, frozen=True, kw_only=True):
    """What one client must see, what it saw, and whether its run came to its end."""

    view: ClientView
    checks: tuple[Check, ...]
    outcomes: tuple[Outcome, ...]
    complete: bool = True
    host: HostFacts | None = None
    """What the client's host is set to; None where its probe did not say."""
    began_ns: int = 0
    """Unix time at which the outcomes' clock was zero; 0 where it is not known."""


class Cause(Value, frozen=True, kw_only=True):
    """One cause of a set that clients alone cannot tell apart."""

    code: Code
    change: str
    look_at: str = ""
    """The AWS calls that show whether it is this one; empty where none does."""


class Finding(Value, frozen=True, kw_only=True):
    """One thing that is wrong, with everything that follows from it.

    ``codes`` is one code where the evidence leaves one cause; several, sorted, where clients alone
    cannot tell them apart. It is :attr:`~brokerproof.causes.codes.Code.UNKNOWN` alone where no cause of
    the catalogue explains what was seen at ``stage``.
    """

    codes: tuple[Code, ...]
    stage: Stage
    """The earliest stage that shows it."""
    clients: tuple[str, ...]
    subjects: tuple[str, ...]
    """As in :class:`~brokerproof.diagnosis.check.Check`: ``broker-N``, ``bootstrap``, ``cluster``."""
    broker_ids: tuple[int, ...] = ()
    addresses: tuple[str, ...] = ()
    wrong: str
    """What is wrong, one sentence."""
    observed: str
    expected: str
    change: str
    """What to change, naming the AWS resource; for a set, each cause's own."""
    next_step: str = ""
    """What would tell the causes of a set apart, or find an unknown one; empty where one cause is left."""
    causes: tuple[Cause, ...] = ()
    """Of a set: what ``change`` and ``next_step`` say of each cause."""
    another_client: str = ""
    """The part of ``next_step`` that is about no single cause of the set."""
    second_look: str = ""
    """What was seen of it when it was looked at again, and how much later; empty where it was not."""
    account: str = ""
    """What the account's configuration says of it: the second witness; empty where it was not read."""
    evidence: tuple[str, ...]
    """The red checks it explains, as ``client/check_id``."""
    consequences: tuple[str, ...] = ()
    """Checks that could not pass because of it, as ``client/check_id``: not counted as faults."""

    @property
    def sure(self) -> bool:
        """Whether one known cause is left."""
        return len(self.codes) == 1 and not self.unknown

    @property
    def unknown(self) -> bool:
        """Whether no cause of the catalogue explains it."""
        return self.codes == (Code.UNKNOWN,)


class Answer(StrEnum):
    """``not_enough_seen`` is never ``nothing_wrong``: something planned was not probed."""

    NOTHING_WRONG = "nothing_wrong"
    FINDINGS = "findings"
    NOT_ENOUGH_SEEN = "not_enough_seen"


class Diagnosis(Value, frozen=True, kw_only=True):
    """The answer for all clients together.

    ``findings`` has the unknown ones too, last; ``unexplained`` are the checks (``client/check_id``)
    that are neither green nor red nor a consequence: nobody knows. ``advices`` change nothing of this:
    the path is right, and other clients than the probe fail on it.
    """

    answer: Answer
    findings: tuple[Finding, ...] = ()
    unexplained: tuple[str, ...] = ()
    shown: tuple[AuditFinding, ...] = ()
    """What the account's configuration shows and no packet met."""
    advices: tuple[Advice, ...] = ()
