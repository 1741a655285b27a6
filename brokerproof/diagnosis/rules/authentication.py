"""Rules of the login: why a broker does not accept who the client is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.rules.case import TWICE, Case, Draft, Named, Red, Said, behind_own, grouped, managed
from brokerproof.probes.outcome import (
    AuthenticateFacts,
    CallerFacts,
    Reason,
    Stage,
    Status,
    StsAnswer,
    TokenFacts,
    TokenFlaw,
)
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


def told_alone(reason: Reason) -> Code | None:
    """The cause that a broker's words on a login name by themselves; None where they do not."""
    codes, _ = _TOLD.get(reason, (frozenset(), ""))
    return next(iter(codes)) if len(codes) == 1 else None


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
    """MSK answers every fault with the same words; what the client and STS know of its token tells them apart."""
    facts = case.facts(red, AuthenticateFacts)
    token = facts.token if facts is not None else None
    flaws = _flaws(case, red)
    if TokenFlaw.CREDENTIALS_ENDED in flaws:
        return frozenset({Code.AUTH_IAM_EXPIRED}), ""
    if TokenFlaw.OTHER_REGION in flaws:
        return frozenset({Code.AUTH_IAM_REGION}), ""
    caller = facts.caller if facts is not None else None
    said = None if caller is None else _by_sts(case, red, caller)
    if said is not None:
        return said
    codes = sets.IAM_REFUSED | _by_place(red, token, caller)
    if token is not None and token.access_key_id.startswith(_TEMPORARY) and not token.credentials_end:
        codes |= {Code.AUTH_IAM_EXPIRED}
    return codes, "access is denied, and nothing is wrong with the token for all that the client knows"


_TEMPORARY: Final = "ASIA"
"""How access keys begin that have an end (IAM user guide, unique identifiers)."""
TOLERATED_S: Final = 300
"""Clocks may be so far apart for every service (AWS Signature Version 4)."""
STS_TOLERATES_S: Final = 900
"""For STS by so much (aws/aws-cli issue 6676); less was seen too."""


def _by_place(red: Red, token: TokenFacts | None, caller: CallerFacts | None) -> frozenset[Code]:
    """What is possible because of where the client logs in, and of whose account it is.

    A principal of another account needs both policies (IAM user guide, cross-account policy evaluation logic).
    """
    region = {Code.AUTH_IAM_REGION} if token is None or not token.broker_region_name else set()
    by_policy = managed(red.view) or not _of_the_clusters_account(red, token, caller)
    return frozenset(region | ({Code.AUTH_CLUSTER_POLICY} if by_policy else set()))


_PARTS: Final = 5
"""Colons in an ARN, at least; the account is before the last of them."""


def _of_the_clusters_account(red: Red, token: TokenFacts | None, caller: CallerFacts | None) -> bool:
    """Whether it is known that the client's principal is of the account that the cluster is in."""
    arns = {facts.caller_arn for facts in (token, caller) if facts is not None} - {""}
    accounts = {arn.split(":")[4] for arn in arns if arn.count(":") >= _PARTS}
    return accounts == {red.view.cluster_account_id} - {""} != set()


def _by_sts(case: Case, red: Red, caller: CallerFacts) -> Said | None:
    """What STS says of the same credentials, by its error code and its Date; None where that is nothing."""
    match caller.answer:
        case StsAnswer.KEY_UNKNOWN:
            return frozenset({Code.AUTH_IAM_KEY}), ""
        case StsAnswer.SESSION_ENDED:
            return frozenset({Code.AUTH_IAM_EXPIRED}), ""
        case StsAnswer.REQUEST_EXPIRED:
            return frozenset({Code.AUTH_CLOCK_SKEW}), ""
        case StsAnswer.SIGNATURE_REFUSED:
            return _signature(caller)
        case StsAnswer.ACCEPTED:
            return _denied(case, red, caller)
        case StsAnswer.OTHER_ERROR | StsAnswer.NOT_REACHED:
            return None


def _signature(caller: CallerFacts) -> Said:
    """Another secret and another time are refused by one error code; the Date tells them apart."""
    ahead_s = caller.clock_ahead_s
    if ahead_s is not None and abs(ahead_s) < TOLERATED_S:
        return frozenset({Code.AUTH_IAM_SECRET}), ""
    if ahead_s is not None and abs(ahead_s) > STS_TOLERATES_S:
        return frozenset({Code.AUTH_CLOCK_SKEW}), ""
    return sets.SIGNATURE_REFUSED, "access is denied, and STS refuses the signature of the same credentials"


def _denied(case: Case, red: Red, caller: CallerFacts) -> Said:
    """The credentials are good: what is left is what they are allowed, and where."""
    facts = case.facts(red, AuthenticateFacts)
    codes = frozenset({Code.AUTH_IAM_DENIED}) | _by_place(red, facts.token if facts is not None else None, caller)
    if caller.clock_ahead_s is None or abs(caller.clock_ahead_s) >= TOLERATED_S:
        codes |= sets.DENIED_OR_SKEW
    if managed(red.view) and facts is not None:
        codes -= _excluded_at_own(case, red, facts)
    return codes, "" if len(codes) == 1 else "access is denied, and STS takes the same credentials for valid"


def _excluded_at_own(case: Case, red: Red, mine: AuthenticateFacts) -> frozenset[Code]:
    """What these credentials exclude by how they fare at the cluster's own listener.

    A policy of the identity's own allows there what it allows here; the managed connection is the cluster policy's.
    For a principal of another account the cluster policy is asked there too.
    """
    own = [view for view in case.views if view.cluster_name == red.view.cluster_name and not managed(view)]
    logins = [outcome for view in own for outcome in case.of_stage(view, Stage.AUTHENTICATE)]
    same = [o for o in logins if isinstance(o.facts, AuthenticateFacts) and _same_credentials(o.facts, mine)]
    if any(o.status is Status.OK for o in same):
        return frozenset({Code.AUTH_IAM_DENIED})
    refused = any(o.reason is Reason.CREDENTIALS_REFUSED for o in same)
    if refused and _of_the_clusters_account(red, mine.token, mine.caller):
        return frozenset({Code.AUTH_CLUSTER_POLICY})
    return frozenset()


def _same_credentials(one: AuthenticateFacts, other: AuthenticateFacts) -> bool:
    """Whether one access key signed for both, by what is told of it."""
    ids = {facts.token.access_key_id for facts in (one, other) if facts.token is not None}
    return len(ids) == 1 and len(ids.pop()) > len("...") and one.token is not None and other.token is not None


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
