"""Which function answers which route, as template.yaml says it."""

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Route:
    """Shape:   ``path`` is API Gateway's resource path: ``/stream/{stream_id}/send``."""

    method: str
    path: str
    function: str

    def parameters(self, path: str) -> dict[str, str] | None:
        """Return the parameters of a path that is this route's, else None."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path)
        match = re.fullmatch(pattern, path)
        return match.groupdict() if match is not None else None


ROUTES = (
    Route("POST", "/stream/start", "start"),
    Route("POST", "/stream/{stream_id}/send", "send"),
    Route("GET", "/stream/{stream_id}/results", "results"),
    Route("POST", "/stream/{stream_id}/end", "streams"),
    Route("POST", "/stream/{stream_id}/ticket", "streams"),
    Route("GET", "/stream/{stream_id}", "streams"),
    Route("GET", "/streams", "streams"),
)
# A browser asks before it sends from elsewhere; whichever function answers says the same.
PREFLIGHT = "start"


def matching(
    method: str, path: str, has_preflights: bool = False
) -> tuple[Route, dict[str, str]] | None:
    """Return the route of a request and its parameters, None if it has none.

    A path is one resource's, the one without parameters before one with: ``/stream/start`` is no
    stream. A template without CORS_ORIGINS has no routes for preflights.
    """
    fitting = [(r, found) for r in ROUTES if (found := r.parameters(path)) is not None]
    resource = min((route.path for route, _ in fitting), key=lambda one: "{" in one, default="")
    for route, found in fitting:
        if route.path == resource and has_preflights and method == "OPTIONS":
            return replace(route, method=method, function=PREFLIGHT), found
        if route.path == resource and route.method == method:
            return route, found
    return None
