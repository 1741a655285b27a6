"""A broker of another cluster among the bootstrap targets: the other cluster is named, and ours is left alone."""

from __future__ import annotations

import msgspec

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.finding import Finding
from brokerproof.probes.outcome import AdvertisedBroker, MetadataFacts, Outcome, Reason, Role, Stage
from brokerproof.topology.expectation.view import ClientView
from tests.diagnosis.bends import EVERYONE, SINGLE, handshake
from tests.diagnosis.bent import Bend, at, diagnosis_of, views_of

OTHER = "other.z9y8x7.c2.kafka.us-east-1.amazonaws.com"


def on_b_1(_view: ClientView, o: Outcome) -> bool:
    return o.target.role is Role.BOOTSTRAP and o.target.name[:3] == "b-1"


def test_it_has_a_certificate_of_its_own() -> None:
    bend = Bend(at(Stage.HANDSHAKE, where=on_b_1), handshake(Reason.NAME_MISMATCH, dns_names=(f"*.{OTHER}",)))
    [found] = diagnosis_of(views_of(SINGLE), bend).findings
    assert (found.codes, set(found.clients), found.subjects) == ((Code.TLS_OTHER_CLUSTER,), EVERYONE, ("bootstrap",))
    assert found.wrong.startswith("Another cluster answers, other.z9y8x7.c2 (")
    assert "TLS" not in found.wrong


def of_the_other(o: Outcome) -> Outcome:
    brokers = tuple(AdvertisedBroker(broker_id=n, name=f"b-{n}.{OTHER}", port=9094) for n in (1, 2, 3, 4))
    return msgspec.structs.replace(o, facts=MetadataFacts(cluster_id="d", controller_id=1, brokers=brokers))


def found_with_our_certificate() -> tuple[Finding, ...]:
    return diagnosis_of(views_of(SINGLE), Bend(at(Stage.METADATA, where=on_b_1), of_the_other)).findings


def test_it_has_a_certificate_that_is_valid_for_ours() -> None:
    [found] = found_with_our_certificate()
    assert (found.codes, set(found.clients)) == ((Code.TLS_OTHER_CLUSTER,), EVERYONE)
    assert found.wrong.startswith("Another cluster, d, answers some connections to the bootstrap name (")
    assert "advertised.listeners" not in found.change
    assert "another answers: d at b-1." in found.observed


def test_a_cluster_whose_own_names_lead_to_two_is_told_of_both() -> None:
    """One broker's own name leads elsewhere: the others' is ours, and nothing of theirs is to be changed."""
    bend = Bend(at(Stage.METADATA, brokers=[3], where=lambda _v, o: o.target.role is Role.BROKER), of_the_other)
    found = diagnosis_of(views_of(SINGLE), bend).findings
    assert [f.codes for f in found] == [(Code.TLS_OTHER_CLUSTER,)]
    assert found[0].wrong.startswith("Another cluster, d, answers in the place of brokers (")
