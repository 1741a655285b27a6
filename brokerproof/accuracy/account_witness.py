"""The account as a second witness of trials: what the faulty topology's configuration proves, read by the AWS API."""

from __future__ import annotations

from brokerproof.accuracy.cases import Case
from brokerproof.aws.audit.audit import audit
from brokerproof.aws.audit.values import Audit
from brokerproof.running.account import AccountInProcess


class AccountWitness:
    """Discovers and audits what the account of a case would be, in process."""

    def __init__(self) -> None:
        self._account = AccountInProcess()

    def of(self, case: Case) -> Audit:
        """The audit while the case's faults are in.

        Raises:
            DiscoveryError: a cluster or a client's host cannot be read.
        """
        return audit(self._account.facts(case.broken, case.intended), case.intended)
