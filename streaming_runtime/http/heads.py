"""The head of a request: its fields and its query, read from the ASGI scope once."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from streaming_runtime.core.errors import InvalidParameter


def fields_of(scope: Any) -> dict[str, str]:
    """Return the header fields by lower-case name; one that is repeated is joined by commas.

    Litestar builds its own mapping anew for each look, which costs more than parsing the record.

    Source:  RFC 9110, section 5.2. ASGI names are lower-case already.
    """
    fields: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def query_of(scope: Any) -> dict[str, str]:
    """Return the query parameters of a connection.

    Shape:   not Litestar's reading, which drops an empty value, so that ``?cursor=`` would mean
             the beginning instead of being refused.
    Raises:  InvalidParameter for a name that is given twice: readers of the URL could differ.
    """
    found = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    query = dict(found)
    if len(query) < len(found):
        raise InvalidParameter("A query parameter is given twice")
    return query
