"""What every case is given: a client of the server that knows its own key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING, Any, TypeVar, cast

import httpx

from ..oracles.at_hand import AtHand
from ..target import NotThere, Target
from .answer import Answer
from .once import Once
from .strict_json import Json
from .transcript import Transcript
from .wire import Wire, wire

if TYPE_CHECKING:
    from .stream import Stream

Made = TypeVar("Made")

EVENT_STREAM = "text/event-stream"
NDJSON = "application/x-ndjson"
JSON = "application/json"
# As many random bits as a real stream's id has; nobody has started it.
UNKNOWN = "AAAAAAAAAAAAAAAAAAAAAA"


class Common:
    """What the cases of a run have in common."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.at_hand = AtHand(stack)
        self._made: dict[Hashable, Once[Any]] = {}

    async def once(self, name: Hashable, make: Callable[[], Awaitable[Made]]) -> Made:
        """Return what was made for the first that asked for it by this name."""
        return cast(Made, await self._made.setdefault(name, Once(make)).get())


class Api:
    """Speaks to one server with one key, and writes down what is said."""

    def __init__(
        self,
        target: Target,
        http: httpx.AsyncClient,
        common: Common,
        transcript: Transcript | None = None,
        key: str | None = None,
        url: str | None = None,
    ) -> None:
        self.target = target
        self.http = http
        self.common = common
        self.transcript = transcript or Transcript(target.hide)
        self.key = target.key if key is None else key
        self.url = target.url if url is None else url

    @property
    def credential(self) -> dict[str, str]:
        return {"x-api-key": self.key}

    def with_key(self, key: str, url: str | None = None) -> Api:
        """Return a client of the same server, or another, with another key."""
        return Api(self.target, self.http, self.common, self.transcript, key, url or self.url)

    async def shared(self) -> Stream:
        """Return a running stream that other cases use at the same time."""
        from .stream import Stream

        async def started() -> str:
            return (await self.start(label="shared")).id

        return Stream(self, await self.common.once(("shared", self.url, self.key), started))

    def other(self) -> Api:
        """Return a client of another tenant.

        Raises:  NotThere.
        """
        if self.target.other_key is None:
            raise NotThere("no key of another tenant was given (KEY2)")
        return self.with_key(self.target.other_key)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        query: Mapping[str, object] | None = None,
        anonymous: bool = False,
    ) -> Answer:
        """Ask once and return the whole answer."""
        fields = {**({} if anonymous else self.credential), **(headers or {})}
        params = {name: str(value) for name, value in (query or {}).items()} or None
        self.transcript.sent(f"{method} {path} {params or ''} {fields}", body or b"")
        response = await self.http.request(
            method, self.url + path, headers=fields, content=body, params=params
        )
        self.transcript.came(f"{response.status_code}", response.content)
        return Answer(response.status_code, response.headers, response.content)

    async def get(self, path: str, accept: str | None = None, **query: object) -> Answer:
        headers = {} if accept is None else {"accept": accept}
        return await self.ask("GET", path, headers=headers, query=query)

    async def post(self, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Post bytes; ``content_type=…`` stands for the field Content-Type."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("POST", path, headers=fields, body=body)

    async def start(self, **body: Any) -> Stream:
        """Start a stream."""
        from .stream import started

        return await started(self, body)

    def wire(self) -> AbstractAsyncContextManager[Wire]:
        """Connect, to say whatever one likes."""
        return wire(self.url, self.transcript)

    async def schema(self) -> Json:
        """Return the OpenAPI document."""
        return (await self.ask("GET", "/schema", anonymous=True)).ok()

    async def has_route(self, method: str, path: str) -> bool:
        """Say whether the server's own OpenAPI document names a route."""
        schema = await self.common.once(("schema", self.url), self.schema)
        return method in schema["paths"].get(path, {})

    async def needs_route(self, method: str, path: str) -> None:
        """Go on if the server has a route.

        Raises:  NotThere if its own OpenAPI document does not name it.
        """
        if not await self.has_route(method, path):
            raise NotThere(f"/schema names no {method.upper()} {path}")
