"""Connectors as they are declared: found, checked, and what processes see of them."""

from __future__ import annotations

import pickle
import sys
import types
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from partner_depot import depot

from crossdock.connect import Registry, catalogue, contracts
from crossdock.connect.contract import Operation, OwnEvent, Response, path, said
from crossdock.connect.fit import fits
from crossdock.connect.secret import Secret
from crossdock.errors import Conflict, NotFound, Refused
from crossdock.expressions import parse_type, problems
from crossdock.model import DOCUMENTS


def operation(name="count", **given):
    return Operation(**{"name": name, "do": lambda *_: None, "changes": False, **given})


def test_the_contracts_of_the_systems_are_in_the_catalogue_with_their_types_and_undo():
    found = catalogue().operations
    assert set(contracts()) == set(found)
    book = found["carrier.book"]
    assert (book.changes, book.undo) == (True, "carrier.void")
    assert str(book.input.fields["shipment"].type) == "Shipment"
    assert {name for name, field in book.output.fields.items() if not field.optional} == {
        "booking",
        "tracking_number",
    }
    assert found["erp.check_credit"].changes is False
    assert found["customer.notify"].undo == ""
    for shape in found.values():
        assert not shape.undo or shape.undo in found


def test_an_undo_gets_all_it_needs_from_what_was_done():
    found = catalogue().operations
    for shape in found.values():
        if shape.undo:
            given_ = {**shape.input.fields, **shape.output.fields}
            needed = [n for n, field in found[shape.undo].input.fields.items() if not field.optional]
            assert set(needed) <= set(given_), shape.name


def test_what_a_connector_adds_is_in_the_catalogue():
    connector = depot(
        operations=(operation(input={"item": "string"}, output={"on_hand": "quantity"}),),
        own_events=(OwnEvent(type="depot.bin_counted", data={"bin": "string"}, about={"bin": "bin"}),),
    )
    found = catalogue([connector])
    assert str(found.operations["wms.count"].output.fields["on_hand"].type) == "quantity"
    assert found.events["depot.bin_counted"].about == {"bin": "bin"}
    assert "shipment.delivered" in found.events


def test_two_connectors_may_add_the_same_but_not_otherwise():
    one = depot(operations=(operation(input={"item": "string"}),))
    same = replace(one, name="other")
    assert "wms.count" in catalogue([one, same]).operations
    with pytest.raises(Refused, match="declared otherwise by depot"):
        catalogue([one, replace(one, name="other", operations=(operation(input={"item": "int"}),))])
    with pytest.raises(Refused, match="is an event of the canonical model"):
        catalogue([depot(own_events=(OwnEvent(type="order.released"),))])


@pytest.mark.parametrize(
    ("connector", "why"),
    [
        (depot(name="De Pot"), "is no name"),
        (depot(serves=()), "serves no system"),
        (depot(operations=(operation(changes=None),)), "does not say whether it changes something"),
        (depot(operations=(operation(), operation())), "declared twice"),
        (depot(operations=(operation(changes=True),)), "what makes a repeat safe"),
        (depot(operations=(operation(changes=True, idempotency="find"),)), "and has none"),
        (depot(operations=(operation(system="erp"),)), "not among what it serves"),
        (depot(operations=(operation(undo="uncount"),)), "wms.uncount, its undo, is not declared"),
        (depot(operations=(operation(input={"item": "strng"}),)), "unknown type 'strng'"),
        (depot(operations=(operation("create_pick", idempotency="none"),)), "belongs to the contract"),
        (depot(operations=(operation(timeout=0),)), "not positive"),
        (depot(events=("order.vanished",)), "there is no event order.vanished"),
    ],
)
def test_a_declaration_that_does_not_hold_together_is_refused(connector, why):
    with pytest.raises(Refused, match=why):
        Registry.of([connector])


@pytest.fixture
def package(monkeypatch):
    """A package of connectors: one good, one that fails, one without a connector."""
    import pkgutil

    found = types.ModuleType("shipped")
    found.__path__ = []
    monkeypatch.setitem(sys.modules, "shipped", found)
    modules = {"shipped.good": depot(), "shipped.empty": None, "shipped.failing": None}
    infos = [pkgutil.ModuleInfo(None, name, False) for name in modules]
    monkeypatch.setattr("crossdock.connect.registry.pkgutil.iter_modules", lambda *_: infos)

    def load(name):
        if name == "shipped":
            return found
        if name == "shipped.failing":
            raise ImportError("no module named left_pad")
        return types.SimpleNamespace(connector=modules[name]) if modules[name] else types.SimpleNamespace()

    monkeypatch.setattr("crossdock.connect.registry.importlib.import_module", load)
    return "shipped"


def test_connectors_are_discovered_and_one_that_fails_stops_no_other(package):
    found = Registry.discover(package=package, extra=[depot(name="mine")])
    assert set(found.connectors) == {"mine", "depot"}
    assert found.problems["shipped.failing"] == "ImportError: no module named left_pad"
    assert "there is no `connector` in it" in found.problems["shipped.empty"]
    with pytest.raises(NotFound) as raised:
        found.connector("failing")
    assert "left_pad" in raised.value.mend
    with pytest.raises(NotFound, match="there is no connector other"):
        found.connector("other")


def test_two_connectors_of_one_name_are_a_conflict():
    with pytest.raises(Conflict):
        Registry.of([depot(), depot()])


def test_all_that_is_shipped_loads():
    assert Registry.discover().problems == {}


def test_a_secret_is_not_to_be_seen():
    secret = Secret("geheim")
    shown = [repr(secret), str(secret), f"{secret}", f"{[secret]}", f"{ {'a': secret} }"]
    assert not any("geheim" in one for one in shown)
    assert secret.reveal() == "geheim"
    assert secret == Secret("geheim")
    assert secret != Secret("other")
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        hash(secret)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"error": {"kind": "business", "message": "no stock"}}', ("business", "no stock")),
        (b'{"errors": [{"code": "INVALID", "detail": "qty", "pointer": "x"}]}', ("INVALID", "qty")),
        (b'{"err": {"no": 4220, "msg": "unknown svc"}}', ("4220", "unknown svc")),
        (b'{"type": "urn:x", "title": "T", "detail": "too late"}', ("urn:x", "too late")),
        (b'{"error": "invalid_client", "error_description": "who?"}', ("invalid_client", "who?")),
        (
            b'{"error": {"code": "REQUIRED", "message": "Missing.", "errors": [{"field": "a", "message": "b"}]}}',
            ("REQUIRED", "Missing. a: b"),
        ),
        (
            b'{"errors": [{"code": "A", "message": "one"}, {"code": "B", "message": "two"}]}',
            ("A", "one; two"),
        ),
        (
            b'{"error": {"code": "400", "message": "Bad", "errors": [{"code": "7", "detail": "ZIP"}]}}',
            ("7", "Bad; ZIP"),
        ),
        (b'{"error": {"code": "N", "message": "None.", "errors": ["No such."]}}', ("N", "None. No such.")),
        (
            b'{"message": "Bad", "additionalDetails": ["#/a: needed", "#/b: needed"]}',
            ("", "Bad; #/a: needed; #/b: needed"),
        ),
        (b'{"response": {"errors": [{"code": "190117", "message": "void"}]}}', ("190117", "void")),
        (b'{"meta": {"code": 4005, "message": "invalid"}, "data": {}}', ("4005", "invalid")),
        (
            b'[{"errorCode": "DUPLICATE_VALUE", "message": "twice", "fields": []}]',
            ("DUPLICATE_VALUE", "twice"),
        ),
        (b'{"errors": {"title": ["is blank", "is short"]}}', ("", "title: is blank; title: is short")),
        (b'{"errors": "[API] Invalid API key"}', ("", "[API] Invalid API key")),
        (b"<h1>Bad\n  gateway</h1>", ("", "<h1>Bad gateway</h1>")),
        (b"", ("", "")),
        (b'{"ok": false}', ("", '{"ok":false}')),
        (b"[" * 5000, ("", "[" * 300)),
    ],
)
def test_what_a_partner_says_is_found_in_most_forms(body, told):
    assert said(Response(400, {}, body)) == told


@given(st.text())
def test_a_part_of_a_path_stays_in_its_place(text):
    assert path("/a/{x}/b", x=text).count("/") == 3


TYPES = [
    parse_type(notation, {name: catalogue().documents[name] for name in DOCUMENTS})
    for notation in ("string", "money", "quantity", "timestamp", ["int"], "map(money)", "any", "Shipment", {"a": "string", "b?": ["any"], "c": "any"})
]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "1", "1.50", "EUR", "2026-03-02T10:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["a", "b", "c", "amount", "currency", "value", "unit", "number"]), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@given(st.sampled_from(TYPES), VALUES)
def test_what_fits_quickly_is_what_fits(type_, value):
    assert fits(type_)(value) == (problems(value, type_) == [])
