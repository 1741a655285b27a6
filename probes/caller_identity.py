"""Who AWS says the client is: GetCallerIdentity of STS, with the credentials whose token a broker refused.

It needs no permission (STS API reference, GetCallerIdentity). The answer is judged by its error code and its Date,
never by its words, which differ with Region and version.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final

from brokerproof.probes.outcome import CallerFacts, StsAnswer

_ANSWERS: Final[Mapping[str, StsAnswer]] = {
    "SignatureDoesNotMatch": StsAnswer.SIGNATURE_REFUSED,
    "InvalidClientTokenId": StsAnswer.KEY_UNKNOWN,
    "ExpiredToken": StsAnswer.SESSION_ENDED,
    "ExpiredTokenException": StsAnswer.SESSION_ENDED,
    "RequestExpired": StsAnswer.REQUEST_EXPIRED,
}
"""By error code (STS API reference, common errors; aws/aws-cli issue 6676 for the first where clocks differ)."""


def ask_caller(session: Any, frozen: Any, region_name: str, *, limit_s: float) -> CallerFacts:
    """Ask STS once, at the endpoint that botocore's configuration leads to; blocks.

    Args:
        session: Of botocore, which endpoints are configured in.
        frozen: The credentials.
        region_name: The Region whose STS is asked.
        limit_s: For each of connecting and the answer; a resolver that is silent may take longer.
    """
    from botocore.config import Config  # noqa: PLC0415 - a second, for clients that log in by IAM alone
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    from botocore.parsers import ResponseParserError  # noqa: PLC0415

    once = Config(connect_timeout=limit_s, read_timeout=limit_s, retries={"total_max_attempts": 1})
    try:
        sts = session.create_client(
            "sts",
            region_name=region_name,
            config=once,
            aws_access_key_id=frozen.access_key,
            aws_secret_access_key=frozen.secret_key,
            aws_session_token=frozen.token,
        )
    except (BotoCoreError, ValueError, OSError):
        # The endpoint that is configured is none.
        return CallerFacts(answer=StsAnswer.NOT_REACHED)
    asked = time.time()
    try:
        answer = sts.get_caller_identity()
    except ClientError as refused:
        return _told(refused.response, (asked + time.time()) / 2)
    except (ResponseParserError, LookupError, ValueError, TypeError, AttributeError):
        # What is no answer of STS's: botocore's parsers raise whatever they stumble over.
        return CallerFacts(answer=StsAnswer.OTHER_ERROR)
    except (BotoCoreError, OSError):
        return CallerFacts(answer=StsAnswer.NOT_REACHED)
    return _told(answer, (asked + time.time()) / 2)


def caller_words(caller: CallerFacts) -> str:
    """What STS said, for people."""
    match caller.answer:
        case StsAnswer.ACCEPTED:
            said = f"STS knows the client as {caller.caller_arn}"
        case StsAnswer.NOT_REACHED:
            return "STS, which would know more, is not reached"
        case _:
            said = f"STS answers {caller.error_code or 'what it never answers'}"
    ahead_s = caller.clock_ahead_s
    if ahead_s is None or abs(ahead_s) < _TELLING_S:
        return said
    return f"{said}, and the client's clock is {abs(ahead_s):,} s {'ahead of' if ahead_s > 0 else 'behind'} its own"


_TELLING_S: Final = 30
"""By less, clocks differ everywhere."""


def _told(answer: Mapping[str, Any], at: float) -> CallerFacts:
    """An answer, which was under way at ``at`` (Unix time)."""
    code = str(answer.get("Error", {}).get("Code", ""))
    arn = str(answer.get("Arn", ""))
    ahead_s = _ahead_s(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", ""), at)
    known = StsAnswer.ACCEPTED if arn and not code else _ANSWERS.get(code, StsAnswer.OTHER_ERROR)
    return CallerFacts(answer=known, error_code=code, caller_arn=arn, clock_ahead_s=ahead_s)


def _ahead_s(date: str, at: float) -> int | None:
    """How far our clock is ahead of a Date (RFC 9110, 6.6.1), which has whole seconds; None without a Date."""
    try:
        theirs = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    return round(at - theirs.timestamp())
