"""The pictures of a run: written down once, read back, and on the page near the top."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from brokerproof.reports import page as page_module
from brokerproof.reports.document import Drawing, ResultDocument, decode_document, encode_document
from brokerproof.reports.journal import Journal
from brokerproof.reports.merge import merge
from brokerproof.reports.page import page
from brokerproof.topology.patterns import PATTERNS
from brokerproof.topology.picture import picture
from tests.reports.builder import RUN, client_result, document
from tests.reports.path import view
from tests.reports.recording import write_client
from tests.reports.test_html import read


def drawing_of(pattern: str, digest: str = "d1") -> Drawing:
    made = picture(PATTERNS[pattern].build())
    return Drawing(topology_digest=digest, title=made.title, description=made.description, dot=made.dot)


def with_drawings(*drawings: Drawing) -> ResultDocument:
    clients = [
        msgspec.structs.replace(client_result(view(f"client-{d.topology_digest}")), topology_digest=d.topology_digest)
        for d in drawings
    ]
    return msgspec.structs.replace(document(*clients), drawings=drawings)


def test_a_topology_is_drawn_once_a_journal_and_once_a_document(tmp_path: Path) -> None:
    one, other = drawing_of("in_vpc"), drawing_of("peering", "d2")
    result = msgspec.structs.replace(client_result(view("a")), topology_digest="d1")
    with Journal.open(tmp_path, RUN) as journal:
        for drawing in (one, one, other):
            journal.drawing(drawing)
        assert journal.drawn("d2")
        assert not journal.drawn("d3")
        write_client(journal, result)
        journal.finish_run(writers=["gw0"])
    with Journal.open(tmp_path, RUN, writer="gw0") as journal:
        journal.drawing(one)
        journal.close_complete()
    lines = (tmp_path / "journal" / "run.jsonl").read_bytes().splitlines()
    assert sum(b'"event":"drawn"' in line for line in lines) == 2
    merged = merge(tmp_path)
    assert {d.topology_digest for d in merged.drawings} == {"d1", "d2"}
    assert len(merged.drawings) == 2
    assert merged.complete
    assert decode_document(encode_document(merged)) == merged


def test_a_document_without_pictures_reads_as_before() -> None:
    old = msgspec.json.decode(encode_document(with_drawings()))
    del old["drawings"]
    assert decode_document(msgspec.json.encode(old)).drawings == ()


def test_the_picture_is_on_the_page_and_its_clients_lead_to_it() -> None:
    reader = read(with_drawings(drawing_of("in_vpc")))
    assert reader.tags["svg"] == 1
    assert reader.tags["script"] == 1
    assert ("details", "open", "") in reader.attributes
    ids = [value for _, name, value in reader.attributes if name == "id"]
    assert ids.count("topology-1") == 1
    assert ("a", "href", "#topology-1") in reader.attributes
    assert "client-d1" in reader.said()
    assert reader.said().index("broker 1") < reader.said().index("Environment")


def test_several_pictures_are_folded_and_ids_stay_unique() -> None:
    reader = read(with_drawings(drawing_of("in_vpc"), drawing_of("peering", "d2")))
    assert reader.tags["svg"] == 2
    ids = [value for _, name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    shown = page(with_drawings(drawing_of("in_vpc"), drawing_of("peering", "d2")))
    assert [one.clients for one in shown.pictures] == [
        ("privatelink_multi_nlb.client-d1",),
        ("privatelink_multi_nlb.client-d2",),
    ]


def test_topologies_that_look_alike_share_a_picture() -> None:
    shown = page(with_drawings(drawing_of("in_vpc"), drawing_of("in_vpc", "d2")))
    [one] = shown.pictures
    assert len(one.clients) == 2
    assert shown.picture_of == {"d1": "topology-1", "d2": "topology-1"}


def test_many_pictures_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "LISTED_PICTURES", 1)
    reader = read(with_drawings(drawing_of("in_vpc"), drawing_of("peering", "d2")))
    assert reader.tags["svg"] == 1
    assert "1 more picture, as DOT text in result.json" in reader.said()
    assert ("a", "href", "#topology-2") not in reader.attributes


def test_without_dot_the_page_says_how_to_get_the_picture_and_is_otherwise_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = with_drawings(drawing_of("in_vpc"))
    whole = re.sub(r" No picture: .*? again\.", "", read(run).said())
    monkeypatch.setenv("PATH", str(tmp_path))
    reader = read(run)
    assert reader.tags["svg"] == 0
    assert reader.said().count("Install Debian package graphviz") == 1
    assert not [one for one in reader.attributes if one[2].startswith("#topology")]
    for word in ("client-d1", "Environment", "Clients"):
        assert word in reader.said()
        assert word in whole


def test_a_picture_that_cannot_be_made_costs_itself_only() -> None:
    broken = Drawing(topology_digest="d1", title="<b>", description="", dot="digraph { <")
    said = read(with_drawings(broken)).said()
    assert "The picture could not be made: dot ended with 1" in said
    assert "Environment" in said
