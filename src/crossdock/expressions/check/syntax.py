"""The checked and the parsed form of CEL (`cel.expr`), as messages that can be read and built.

The runtime hands both over as bytes; the wheel brings no Python classes for them, so their descriptors stand
here, with the fields that are used.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

_F = descriptor_pb2.FieldDescriptorProto
_PRIMITIVE = {
    "str": _F.TYPE_STRING,
    "i64": _F.TYPE_INT64,
    "u64": _F.TYPE_UINT64,
    "i32": _F.TYPE_INT32,
    "f64": _F.TYPE_DOUBLE,
    "bool": _F.TYPE_BOOL,
    "bytes": _F.TYPE_BYTES,
}
# Message, then its fields: name number type; `*` repeated, `|` member of the message's one oneof.
_SYNTAX = """
Constant: null_value 1 i32|, bool_value 2 bool|, int64_value 3 i64|, uint64_value 4 u64|, \
double_value 5 f64|, string_value 6 str|, bytes_value 7 bytes|
Expr: id 2 i64, const_expr 3 Constant|, ident_expr 4 Ident|, select_expr 5 Select|, call_expr 6 Call|, \
list_expr 7 CreateList|, struct_expr 8 CreateStruct|, comprehension_expr 9 Comprehension|
Ident: name 1 str
Select: operand 1 Expr, field 2 str, test_only 3 bool
Call: target 1 Expr, function 2 str, args 3 Expr*
CreateList: elements 1 Expr*, optional_indices 2 i32*
CreateStruct: message_name 1 str, entries 2 Entry*
Entry: id 1 i64, field_key 2 str|, map_key 3 Expr|, value 4 Expr, optional_entry 5 bool
Comprehension: iter_var 1 str, iter_var2 8 str, iter_range 2 Expr, accu_var 3 str, accu_init 4 Expr, \
loop_condition 5 Expr, loop_step 6 Expr, result 7 Expr
ParsedExpr: expr 2 Expr
Type: dyn 1 bytes|, null 2 i32|, primitive 3 i32|, wrapper 4 i32|, well_known 5 i32|, list_type 6 ListType|, \
map_type 7 MapType|, function 8 bytes|, message_type 9 str|, type_param 10 str|, type 11 Type|, \
error 12 bytes|, abstract_type 14 bytes|
ListType: elem_type 1 Type
MapType: key_type 1 Type, value_type 2 Type
Reference: name 1 str, overload_id 3 str*, value 4 Constant
ReferenceEntry: key 1 i64, value 2 Reference
TypeEntry: key 1 i64, value 2 Type
CheckedExpr: reference_map 2 ReferenceEntry*, type_map 3 TypeEntry*, expr 4 Expr
"""
_PARSED = "type.googleapis.com/cel.expr.ParsedExpr"


@dataclass(frozen=True, slots=True)
class Syntax:
    """The message classes, as protobuf made them."""

    checked: Any
    parsed: Any
    expr: Any

    def read_checked(self, serialized: bytes) -> Any:
        """The `CheckedExpr` in what the compiler serialized."""
        return self.checked.FromString(any_pb2.Any.FromString(serialized).value)

    def write_parsed(self, expr: Any) -> bytes:
        """The bytes that the runtime deserializes as an expression that was not checked."""
        value = self.parsed(expr=expr).SerializeToString()
        return any_pb2.Any(type_url=_PARSED, value=value).SerializeToString()


@functools.cache
def syntax() -> Syntax:
    """Build the message classes, once."""
    file = descriptor_pb2.FileDescriptorProto(name="syntax.proto", package="cel.expr", syntax="proto3")
    for line in _SYNTAX.strip().splitlines():
        name, _, fields = line.partition(": ")
        message = file.message_type.add(name=name)
        for written in fields.split(", "):
            key, place, kind = written.split()
            plain = kind.rstrip("*|")
            field = message.field.add(
                name=key,
                number=int(place),
                label=_F.LABEL_REPEATED if kind.endswith("*") else _F.LABEL_OPTIONAL,
                type=_PRIMITIVE.get(plain, _F.TYPE_MESSAGE),
            )
            if plain not in _PRIMITIVE:
                field.type_name = f".cel.expr.{plain}"
            if kind.endswith("|"):
                if not message.oneof_decl:
                    message.oneof_decl.add(name="kind")
                field.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    checked, parsed, expr = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"cel.expr.{name}"))
        for name in ("CheckedExpr", "ParsedExpr", "Expr")
    )
    return Syntax(checked, parsed, expr)
