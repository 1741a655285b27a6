"""Whether a connect lost its SYN, as a timer says that. Pure."""

from __future__ import annotations

from typing import Final

from brokerproof.probes.outcome import ConnectFacts, Outcome

SYN_REPEATED_NS: Final = 950_000_000
"""A SYN is sent again after 1 s (RFC 6298, section 2.1); a connection that took that long has lost one."""


def syn_was_repeated(outcome: Outcome) -> bool:
    """Whether the kernel says that it sent the SYN again, and a second went by first.

    One that is sent again at once was answered by what belonged to an earlier connection of the same ports (Linux
    then resets that one and tries again: tcp_rcv_synsent_state_process). Behind an NLB, which chooses ports, that
    happens, and nothing is lost.
    """
    facts = outcome.facts
    sent_again = isinstance(facts, ConnectFacts) and facts.tcp is not None and facts.tcp.retransmitted_segments > 0
    return sent_again and outcome.duration_ns >= SYN_REPEATED_NS
