"""CEL between `${` and `}`: checked against the business document, exact for money, safe beside other tenants."""

from crossdock.expressions.notation import parse_type as parse_type
from crossdock.expressions.shapes import record_of as record_of
from crossdock.expressions.types import (
    BOOL as BOOL,
)
from crossdock.expressions.types import (
    DECIMAL as DECIMAL,
)
from crossdock.expressions.types import (
    DOUBLE as DOUBLE,
)
from crossdock.expressions.types import (
    DURATION as DURATION,
)
from crossdock.expressions.types import (
    DYN as DYN,
)
from crossdock.expressions.types import (
    INT as INT,
)
from crossdock.expressions.types import (
    MONEY as MONEY,
)
from crossdock.expressions.types import (
    QUANTITY as QUANTITY,
)
from crossdock.expressions.types import (
    STRING as STRING,
)
from crossdock.expressions.types import (
    TIMESTAMP as TIMESTAMP,
)
from crossdock.expressions.types import (
    Field as Field,
)
from crossdock.expressions.types import (
    ListOf as ListOf,
)
from crossdock.expressions.types import (
    MapOf as MapOf,
)
from crossdock.expressions.types import (
    Record as Record,
)
from crossdock.expressions.types import (
    Type as Type,
)
from crossdock.expressions.values import assignable as assignable
from crossdock.expressions.values import json_schema as json_schema
from crossdock.expressions.values import problems as problems
