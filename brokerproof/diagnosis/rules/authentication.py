"""Rules of the login: why a broker does not accept who the client is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.rules.case import TWICE, Case, Draft, Named, Red, Said, behind_own, grouped, managed
from brokerproof.probes.outcome import AuthenticateFacts, Reason, Stage, TokenFlaw
from brokerproof.probes.plan import AuthenticationScheme


def logins(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Red checks of the login, each by what the broker answered."""
    mine = [red for red in reds if red.check.stage is Stage.AUTHENTICATE or red.check.reason in _BEFORE_ANYTHING]
    said = [(red, _login(case, red, mine)) for red in mine]
    return grouped((*found, red) for red, found in said if found is not None)


_BEFORE_ANYTHING: Final = frozenset({Reason.NO_CREDENTIALS, Reason.STS_UNREACHABLE, Reason.CLIENT_KEY_UNUSABLE})
"""What the client found on its own host, before it said anything; of a certificate that is at the handshake."""
_TOLD: Final[Mapping[Reason, Said]] = {
    Reason.NO_CREDENTIALS: (frozenset({Code.AUTH_NO_CREDENTIALS}), ""),
    Reason.STS_UNREACHABLE: (frozenset({Code.AUTH_STS_UNREACHABLE}), ""),
    Reason.CLIENT_KEY_UNUSABLE: (frozenset({Code.TLS_CLIENT_KEY_UNUSABLE}), ""),
    Reason.CONNECTION_RATE: (frozenset({Code.AUTH_CONNECT_RATE}), ""),
    Reason.SESSION_TOO_SHORT: (frozenset({Code.AUTH_SESSION_SHORT}), ""),
    Reason.PRINCIPAL_CHANGED: (frozenset({Code.AUTH_REAUTHENTICATION}), ""),
    Reason.CERTIFICATE_NOT_REQUESTED: (frozenset({Code.AUTH_CERTIFICATE_IGNORED}), ""),
    Reason.SERVER_NOT_PROVED: (
        sets.SPEAKS_TLS_ALONE,
        "what answers does not know what a broker knows of the user",
    ),
    Reason.TIMED_OUT: (sets.STOPS_ANSWERING, "ApiVersions is answered, and the login is not"),
    Reason.CLOSED: (sets.ENDED_AFTER_HANDSHAKE, "ApiVersions is answered, and the login is ended without a word"),
    Reason.RESET: (sets.ENDED_AFTER_HANDSHAKE, "ApiVersions is answered, and the login is ended without a word"),
}
"""What the reason alone says."""


def _login(case: Case, red: Red, reds: Sequence[Red]) -> Said | None:
    match red.check.reason:
        case Reason.MECHANISM_NOT_OFFERED:
            return _mechanism(case, red)
        case Reason.CREDENTIALS_REFUSED:
            return _refused(case, red, reds)
        case Reason.NO_CREDENTIALS if TokenFlaw.CREDENTIALS_ENDED in _flaws(case, red):
            return frozenset({Code.AUTH_IAM_EXPIRED}), ""
        case None:
            return None
        case reason:
            return _TOLD.get(reason)


def _mechanism(case: Case, red: Red) -> Said:
    """The listener said what it has. Behind a load balancer the target may be another listener than is meant."""
    facts = case.facts(red, AuthenticateFacts)
    offered = ", ".join(facts.offered) if facts is not None else ""
    words = f"what answers{{behind}} has {offered}" if offered else "what answers{behind} has no login at all"
    if behind_own(red.view):
        return sets.OTHER_LISTENER_BEHIND, f"{words}, not what the client logs in with"
    return frozenset({Code.AUTH_MECHANISM}), ""


def _refused(case: Case, red: Red, reds: Sequence[Red]) -> Said | None:
    match red.view.authentication:
        case AuthenticationScheme.SCRAM_SHA_512:
            return _refused_by_scram(case, red, reds)
        case AuthenticationScheme.IAM:
            return _refused_by_iam(case, red)
        case _:
            return None


def _flaws(case: Case, red: Red) -> tuple[TokenFlaw, ...]:
    """What the client knows to be wrong with its token, or with what was to sign it."""
    facts = case.facts(red, AuthenticateFacts)
    return facts.token.flaws if facts is not None and facts.token is not None else ()


def _refused_by_iam(case: Case, red: Red) -> Said:
    """MSK answers every fault with the same words; what the client knows of its token tells some apart."""
    facts = case.facts(red, AuthenticateFacts)
    token = facts.token if facts is not None else None
    flaws = _flaws(case, red)
    if TokenFlaw.CREDENTIALS_ENDED in flaws:
        return frozenset({Code.AUTH_IAM_EXPIRED}), ""
    if TokenFlaw.OTHER_REGION in flaws:
        return frozenset({Code.AUTH_IAM_REGION}), ""
    codes = sets.IAM_REFUSED
    if token is None or not token.broker_region_name:
        codes |= {Code.AUTH_IAM_REGION}
    if managed(red.view):
        codes |= {Code.AUTH_CLUSTER_POLICY}
    return codes, "access is denied, and nothing is wrong with the token for all that the client knows"


def _refused_by_scram(case: Case, red: Red, reds: Sequence[Red]) -> Said:
    """A user that a broker does not know is refused at the first message, a proof that is wrong at the second."""
    at = [facts.messages for each in reds if (facts := _scram_refusal(case, each)) is not None and _same(each, red)]
    words = "the broker refuses the user or the password"
    if len(at) < TWICE or len(set(at)) > 1:
        return sets.SCRAM_REFUSED, words
    if at[0]:
        return frozenset({Code.AUTH_SCRAM_PASSWORD}), Named("the brokers know the user, and not with this password")
    return frozenset({Code.AUTH_SCRAM_SECRET}), ""


def _same(one: Red, other: Red) -> bool:
    return one.client == other.client


def _scram_refusal(case: Case, red: Red) -> AuthenticateFacts | None:
    return case.facts(red, AuthenticateFacts) if red.check.reason is Reason.CREDENTIALS_REFUSED else None
