"""Entries of the audit: what goes wrong when the control plane is read."""

from __future__ import annotations

from typing import Final

from brokerproof.causes.catalogue.applies import (
    EVERY,
    MSK,
)
from brokerproof.causes.catalogue.entry import Entry
from brokerproof.causes.codes import Code
from brokerproof.causes.pieces import Piece

_PLANE = "whatever reads the control plane, not a client"

ENTRIES: Final = (
    Entry(
        code=Code.AUDIT_PERMISSION_GAP,
        sits=Piece.ACCOUNT,
        title="a control-plane read was denied, so nothing is known of that resource",
        patterns=EVERY,
        evidence="AccessDenied on one call: unknown, not a fault",
        remedy="allow the read to the auditing role",
        sources=("AWS Identity and Access Management user guide",),
        facts=("cp-audit-permission-gap",),
        visible=False,
        seen_by=_PLANE,
    ),
    Entry(
        code=Code.AUDIT_BROKERS_MISSED,
        sits=Piece.ACCOUNT,
        title="the list of brokers was read from the bootstrap string or from the first page",
        patterns=EVERY,
        evidence="fewer brokers than ListNodes has",
        remedy="page through ListNodes",
        call="kafka ListNodes (NextToken)",
        sources=(MSK,),
        facts=("meta-bootstrap-list-subset", "cp-list-nodes-pagination"),
        visible=False,
        seen_by=_PLANE,
    ),
)
