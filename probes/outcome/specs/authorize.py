"""``authorize``: what the client may do beside moving records, asked without any effect."""

from __future__ import annotations

from typing import Final

from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.permissions import Permission
from brokerproof.probes.outcome.spec import Per, StageFacts, StageSpec
from brokerproof.probes.outcome.stages import CONVERSATION, Reason, Stage


class PermissionAsked(Value, frozen=True):
    """One permission, and what the broker answered to the request that needs it."""

    permission: Permission
    resource_name: str
    request: str
    error_code: int = 0
    """Kafka's, of the answer; 0 also where the answer says it otherwise (``authorized_operations``)."""
    granted: bool | None = None
    """None where the broker does not offer the request, or its answer says nothing of it."""


class AuthorizeFacts(StageFacts, frozen=True, tag="authorize"):
    """What was asked of one broker."""

    asked: tuple[PermissionAsked, ...] = ()
    answered_by: int | None = None
    denied: tuple[Permission, ...] = ()
    """What is not granted, of what the plan asks for."""


SPEC: Final = StageSpec(
    stage=Stage.AUTHORIZE,
    after=(Stage.CONSUME,),
    needs=(Stage.IDENTITY,),
    per=Per.CLUSTER,
    title="the client may do what it must, beside reading and writing",
    reasons=CONVERSATION | {Reason.NOT_AUTHORIZED, Reason.NOT_KAFKA, Reason.TOO_MUCH},
    asks="a question of what the client may do",
    facts=(AuthorizeFacts,),
)
