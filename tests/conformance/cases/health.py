"""Health, schemas and pages: what needs no credential."""

from __future__ import annotations

from ..case import each
from ..client.api import Api
from ..client.strict_json import Json

ROUTES = (
    ("post", "/stream/start"),
    ("post", "/stream/{stream_id}/send"),
    ("get", "/stream/{stream_id}/results"),
    ("post", "/stream/{stream_id}/end"),
    ("get", "/stream/{stream_id}"),
    ("get", "/streams"),
    ("get", "/health/live"),
    ("get", "/health/ready"),
)
GUARDED = ROUTES[:6]


@each({"live": "/health/live", "ready": "/health/ready"})
async def health_is_200_without_a_credential(api: Api, path: str) -> None:
    answer = await api.ask("GET", path, anonymous=True)

    assert answer.ok(200)


async def ready_names_each_part(api: Api) -> None:
    """ready names each part and why it is not"""
    ready = (await api.ask("GET", "/health/ready", anonymous=True)).ok()

    assert any(isinstance(value, dict | list) and value for value in ready.values())


@each({"live": "/health/live", "ready": "/health/ready"})
async def head_of_health_is_health_without_a_body(api: Api, path: str) -> None:
    answer = await api.ask("HEAD", path, anonymous=True)

    assert (answer.status, answer.body) == (200, b"")


@each({"schema": "/schema", "asyncapi": "/asyncapi"})
async def a_schema_is_json_whatever_is_accepted(api: Api, path: str) -> None:
    """JSON whatever `Accept` says"""
    for accept in ("*/*", "text/html", "application/yaml", "image/png", "application/json;q=0", ""):
        answer = await api.ask("GET", path, headers={"accept": accept}, anonymous=True)
        answer.ok(200)


async def the_schema_is_openapi_3_1(api: Api) -> None:
    schema = await api.schema()

    assert str(schema["openapi"]).startswith("3.1")
    assert schema["info"]["title"]


@each({f"{method.upper()} {path}": (method, path) for method, path in ROUTES})
async def the_schema_has_every_route(api: Api, method: str, path: str) -> None:
    assert method in (await api.schema())["paths"].get(path, {})


async def the_schema_declares_the_ways_to_authenticate(api: Api) -> None:
    """OpenAPI declares the security schemes"""
    schemes = (await api.schema())["components"]["securitySchemes"].values()

    assert {"apiKey", "http"} <= {scheme["type"] for scheme in schemes}


@each({f"{method.upper()} {path}": (method, path) for method, path in GUARDED})
async def the_schema_says_which_routes_need_a_credential(api: Api, method: str, path: str) -> None:
    schema = await api.schema()
    operation = schema["paths"][path][method]

    assert operation.get("security", schema.get("security"))
    assert "401" in operation["responses"]


async def every_status_of_the_schema_has_its_content_type(api: Api) -> None:
    """every status a route can give, with its content type"""
    for path, operations in (await api.schema())["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                bodiless = status in ("204", "101", "304")
                assert bodiless or response.get("content"), f"{method} {path} {status}"
                if status >= "400" and not path.startswith("/health"):
                    assert "application/problem+json" in response["content"], f"{path} {status}"


@each(
    {
        "start 201": ("POST", "/stream/start", "/stream/start", b"", 201),
        "start 400": ("POST", "/stream/start", "/stream/start", b"{", 400),
        "send 202": ("POST", "/stream/{stream_id}/send", "/send", b'{"data":1}', 202),
        "send 207": ("POST", "/stream/{stream_id}/send", "/send", b'[{"data":1}]', 207),
        "send 400": ("POST", "/stream/{stream_id}/send", "/send", b"{", 400),
        "send 413": (
            "POST",
            "/stream/{stream_id}/send",
            "/send",
            b"[" + b"1," * 1_001 + b"1]",
            413,
        ),
        "results 200": ("GET", "/stream/{stream_id}/results", "/results?until=now", None, 200),
        "results 400": ("GET", "/stream/{stream_id}/results", "/results?limit=0", None, 400),
        "look 200": ("GET", "/stream/{stream_id}", "", None, 200),
        "list 200": ("GET", "/streams", "/streams?limit=1", None, 200),
        "list 400": ("GET", "/streams", "/streams?limit=0", None, 400),
    }
)
async def an_answer_is_declared_in_the_schema(
    api: Api, method: str, route: str, path: str, body: bytes | None, status: int
) -> None:
    stream = await api.shared()
    whole = path if path.startswith(("/stream/", "/streams")) else stream.path + path

    answer = await api.ask(method, whole, headers={"accept": "application/json"}, body=body)

    assert answer.status == status
    declared = (await api.schema())["paths"][route][method.lower()]["responses"]
    assert answer.media_type in declared[str(status)]["content"]


def _references(node: object) -> list[str]:
    if isinstance(node, dict):
        found = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return found + [ref for value in node.values() for ref in _references(value)]
    if isinstance(node, list):
        return [ref for value in node for ref in _references(value)]
    return []


def _follow(document: Json, reference: str) -> object:
    node: object = document
    for part in reference.removeprefix("#/").split("/"):
        assert isinstance(node, dict), reference
        node = node.get(part.replace("~1", "/").replace("~0", "~"))
        assert node is not None, reference
    return node


@each({"schema": "/schema", "asyncapi": "/asyncapi"})
async def every_reference_of_a_schema_leads_somewhere(api: Api, path: str) -> None:
    document = (await api.ask("GET", path, anonymous=True)).ok()

    for reference in _references(document):
        assert reference.startswith("#/"), reference
        _follow(document, reference)


async def the_asyncapi_is_version_3(api: Api) -> None:
    document = (await api.ask("GET", "/asyncapi", anonymous=True)).ok()

    assert str(document["asyncapi"]).startswith("3.")
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert "/stream/{stream_id}/results" in addresses


@each({"the console": "/", "the docs": "/docs"})
async def a_page_is_html_and_needs_no_credential(api: Api, path: str) -> None:
    answer = await api.ask("GET", path, anonymous=True)

    assert (answer.status, answer.media_type) == (200, "text/html")
