"""Our types as the checker knows them: protobuf messages built at run time, and back again.

A field that may be absent becomes a wrapper, so that `x == null` checks; money, quantities and decimals
become messages of their own, so that an operator that does not know them refuses them. What protobuf cannot
say (a list of lists, a field name with a dash) is left to run time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cel_expr_python import cel
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)

from crossdock.expressions.types import (
    BOOL,
    DECIMAL,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    MONEY,
    QUANTITY,
    STRING,
    TIMESTAMP,
    Field,
    ListOf,
    MapOf,
    Record,
    Scalar,
    Type,
)

_F = descriptor_pb2.FieldDescriptorProto
_KNOWN = (wrappers_pb2, struct_pb2, timestamp_pb2, duration_pb2)
_PACKAGE = "crossdock"
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = {STRING: _F.TYPE_STRING, BOOL: _F.TYPE_BOOL, INT: _F.TYPE_INT64, DOUBLE: _F.TYPE_DOUBLE}
_WRAPPERS = {STRING: "StringValue", BOOL: "BoolValue", INT: "Int64Value", DOUBLE: "DoubleValue"}
_MESSAGES = {
    TIMESTAMP: "google.protobuf.Timestamp",
    DURATION: "google.protobuf.Duration",
    DYN: "google.protobuf.Value",
    MONEY: f"{_PACKAGE}.money",
    QUANTITY: f"{_PACKAGE}.quantity",
    DECIMAL: f"{_PACKAGE}.decimal",
}
PARTS: Mapping[Scalar, Record] = {
    MONEY: Record("money", {"amount": Field(DECIMAL), "currency": Field(STRING)}),
    QUANTITY: Record("quantity", {"value": Field(DECIMAL), "unit": Field(STRING)}),
    DECIMAL: Record("decimal", {}),
}
_SIGNATURES = {
    STRING: "string",
    BOOL: "bool",
    INT: "int",
    DOUBLE: "double",
    TIMESTAMP: "timestamp",
    DURATION: "duration",
    DYN: "dyn",
}
# cel.expr.Type.PrimitiveType and WellKnownType
_PRIMITIVES = {1: BOOL, 2: INT, 4: DOUBLE, 5: STRING}
_WELL_KNOWN = {2: TIMESTAMP, 3: DURATION}


def signature(type_: Type) -> str:
    """A type as the checker's function signatures write it; a scalar it does not know is a type parameter."""
    if isinstance(type_, ListOf):
        return f"list<{signature(type_.item)}>"
    if isinstance(type_, MapOf):
        return f"map<string,{signature(type_.value)}>"
    if isinstance(type_, Scalar):
        return _SIGNATURES.get(type_) or _MESSAGES.get(type_) or f"~{type_.name}"
    raise TypeError(type_)


def _camel(name: str) -> str:
    """The name that protobuf demands for the entries of a map field."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


class Messages:
    """The messages of all records that some variables reach."""

    def __init__(self, variables: Mapping[str, Type]) -> None:
        self.pool = descriptor_pool.DescriptorPool()
        self.types: dict[str, Type] = {name: type_ for type_, name in _MESSAGES.items()}
        self._names: dict[int, str] = {}
        self._file = descriptor_pb2.FileDescriptorProto(name="types.proto", package=_PACKAGE, syntax="proto3")
        for module in _KNOWN:
            self.pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
            self._file.dependency.append(module.DESCRIPTOR.name)
        for type_, record in PARTS.items():
            self._add(_MESSAGES[type_].removeprefix(f"{_PACKAGE}."), record)
        signatures = {name: self._reached(type_) for name, type_ in variables.items()}
        self.pool.Add(self._file)
        self.variables = {name: cel.Type(signature) for name, signature in signatures.items()}

    def fields(self, message: str) -> Record | None:
        """The record behind a message name, for messages about its fields."""
        found = self.types.get(message)
        return PARTS.get(found) if isinstance(found, Scalar) else found if isinstance(found, Record) else None

    def type_of(self, proto: Any) -> Type:
        """The type that the checker found, in our terms."""
        kind = proto.WhichOneof("kind")
        if kind in ("primitive", "wrapper"):
            return _PRIMITIVES.get(getattr(proto, kind), DYN)
        if kind == "well_known":
            return _WELL_KNOWN.get(proto.well_known, DYN)
        if kind == "message_type":
            return self.types.get(proto.message_type, DYN)
        if kind == "list_type":
            return ListOf(self.type_of(proto.list_type.elem_type))
        if kind == "map_type":
            return MapOf(self.type_of(proto.map_type.value_type))
        return DYN

    def _reached(self, type_: Type) -> str:
        """The signature of a type, adding the messages it needs."""
        if isinstance(type_, ListOf):
            return f"list<{self._reached(type_.item)}>"
        if isinstance(type_, MapOf):
            return f"map<string,{self._reached(type_.value)}>"
        return f"{_PACKAGE}.{self._message(type_)}" if isinstance(type_, Record) else signature(type_)

    def _message(self, record: Record) -> str:
        name = self._names.get(id(record))
        if name is None:
            name = self._names[id(record)] = f"Record{len(self._names)}"
            self.types[f"{_PACKAGE}.{name}"] = record
            self._add(name, record)
        return name

    def _add(self, name: str, record: Record) -> None:
        message = self._file.message_type.add(name=name)
        for number, (key, field) in enumerate(record.fields.items(), start=1):
            if _IDENTIFIER.fullmatch(key):
                declared = message.field.add(name=key, json_name=f"f{number}", number=number)
                self._declare(declared, message, name, field)

    def _declare(self, declared: Any, message: Any, owner: str, field: Field) -> None:
        type_ = field.type
        declared.label = _F.LABEL_OPTIONAL
        if isinstance(type_, MapOf):
            entry = message.nested_type.add(name=f"{_camel(declared.name)}Entry")
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, label=_F.LABEL_OPTIONAL, type=_F.TYPE_STRING)
            value = entry.field.add(name="value", number=2, label=_F.LABEL_OPTIONAL)
            self._single(value, type_.value, wrapped=False)
            declared.label, declared.type = _F.LABEL_REPEATED, _F.TYPE_MESSAGE
            declared.type_name = f".{_PACKAGE}.{owner}.{entry.name}"
        elif isinstance(type_, ListOf):
            declared.label = _F.LABEL_REPEATED
            self._single(declared, type_.item, wrapped=False)
        else:
            self._single(declared, type_, wrapped=field.absent)

    def _single(self, declared: Any, type_: Type, *, wrapped: bool) -> None:
        if isinstance(type_, Scalar) and type_ in _PLAIN and not wrapped:
            declared.type = _PLAIN[type_]
            return
        declared.type = _F.TYPE_MESSAGE
        if isinstance(type_, Record):
            declared.type_name = f".{_PACKAGE}.{self._message(type_)}"
        elif isinstance(type_, ListOf):
            declared.type_name = ".google.protobuf.ListValue"
        elif isinstance(type_, MapOf):
            declared.type_name = ".google.protobuf.Struct"
        else:
            declared.type_name = "." + (
                f"google.protobuf.{_WRAPPERS[type_]}" if type_ in _WRAPPERS else _MESSAGES[type_]
            )
