"""Where the API says whose tokens it takes."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Router, get

from streaming_runtime.core.jwt_settings import JwtSettings
from streaming_runtime.http.answers import JSON, Answer
from streaming_runtime.http.heads import fields_of
from streaming_runtime.http.operations import Content, Operation, Reply
from streaming_runtime.http.protected_resource import PATH, ProtectedResource

# A cache in between would answer one host's client with another's.
FIELDS = {"Cache-Control": "no-cache", "Vary": "Host"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["resource", "authorization_servers", "scopes_supported"],
    "properties": {
        "resource": {"type": "string", "format": "uri"},
        "authorization_servers": {"type": "array", "items": {"type": "string"}},
        "scopes_supported": {"type": "array", "items": {"type": "string"}},
        "bearer_methods_supported": {"type": "array", "items": {"const": "header"}},
        "resource_name": {"type": "string"},
    },
}
METADATA = Operation(
    operation_id="getProtectedResource",
    tag="documents",
    summary="Whose tokens are taken here (RFC 9728)",
    description="Needs no credential. There only where an issuer of tokens is configured.",
    replies={200: Reply("The metadata.", (Content(JSON, SCHEMA),))},
    is_guarded=False,
)


def routers(settings: JwtSettings | None) -> list[Router]:
    """Return the route of the metadata; none where no tokens are taken."""
    if settings is None:
        return []
    resource = ProtectedResource(settings)

    @get(PATH, opt={"operation": METADATA})
    async def metadata(request: Request[Any, Any, Any]) -> Answer:
        document = resource.document(fields_of(request.scope))
        return Answer(msgspec.json.encode(document), media_type=JSON, headers=FIELDS)

    return [Router(path="/", route_handlers=[metadata])]
