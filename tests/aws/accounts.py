"""Accounts of a topology in process, as tests ask for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from brokerproof.aws.answers.hook import Account, Manners
from brokerproof.aws.answers.intent import intent_of
from brokerproof.aws.discovery.discover import discover
from brokerproof.aws.facts import AccountFacts
from brokerproof.running.account import InProcess
from brokerproof.topology.models import Topology

SESSIONS = InProcess()


def discovered(
    topology: Topology,
    *,
    intended: Topology | None = None,
    manners: Manners | None = None,
    spy: Callable[[Account], None] = lambda _: None,
    now: datetime | None = None,
) -> AccountFacts:
    """The account of a topology, read back; the intent is that of ``intended``."""
    account = Account(lambda: topology, manners)
    SESSIONS.account = account
    facts = discover(intent_of(intended or topology), SESSIONS, at_once=1, now=now)
    spy(account)
    return facts
