"""CEL between `${` and `}`: checked against the business document, exact for money, safe for all.

`Environment(variables)` compiles texts; an `Expression` or `Template` knows its type and the paths it names,
and is evaluated over plain JSON values.
"""

from crossdock.expressions.compile import Environment, Expression
from crossdock.expressions.errors import EvaluationError, ExpressionError
from crossdock.expressions.notation import parse_type
from crossdock.expressions.shapes import record_of
from crossdock.expressions.template import Template
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
    Type,
)
from crossdock.expressions.values import assignable, json_schema, problems

__all__ = [
    "BOOL",
    "DECIMAL",
    "DOUBLE",
    "DURATION",
    "DYN",
    "INT",
    "MONEY",
    "QUANTITY",
    "STRING",
    "TIMESTAMP",
    "Environment",
    "EvaluationError",
    "Expression",
    "ExpressionError",
    "Field",
    "ListOf",
    "MapOf",
    "Record",
    "Template",
    "Type",
    "assignable",
    "json_schema",
    "parse_type",
    "problems",
    "record_of",
]
