"""Requests that a generator makes of the API's document, right ones and wrong ones.

No fault of ours, no answer that the document does not have, no operation that takes just anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import pytest
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
    response_schema_conformance,
)

from functions.results.routes import router as results
from functions.send.routes import router as send
from functions.start.routes import router as start
from functions.streams.routes import router as streams
from streaming_runtime.http import openapi
from streaming_runtime.live import health, pages
from tests.eventually import until
from tests.security.credentials import OURS, World

EXAMPLES = 25
SECONDS = 15
ROUTERS = (start, send, results, streams, health.router({}), pages.router({}))
# The document itself is where the generator begins, so that it does not ask for it again.
OPERATIONS = [o for _, _, o in openapi.operations_of(ROUTERS) if o.operation_id != "getSchema"]
BOTH = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
# What takes neither a credential nor a parameter cannot be asked wrongly.
ASKED = [
    (o.operation_id, mode) for o in OPERATIONS for mode in (BOTH if o.is_guarded else BOTH[:1])
]
# A schema cannot say which tokens, processors and keys are known ones.
NOT_SAID = [positive_data_acceptance]
# Before 3.2 OpenAPI knows no events: the schema is that of the whole text.
OF_EVENTS = [response_schema_conformance]
# A bad record among many is refused by itself, within an answer that is none.
OF_MANY = [negative_data_rejection]


@dataclass(frozen=True)
class Target:
    """The document as it is served, and what the generator is to ask about."""

    document: BaseSchema
    url: str
    headers: Mapping[str, str]
    streams: Mapping[str, str]

    def operation(self, operation_id: str) -> APIOperation[Any, Any, Any, Any]:
        for found in self.document.get_all_operations():
            operation: APIOperation[Any, Any, Any, Any] = cast(Any, found).ok()
            if operation.definition.raw["operationId"] == operation_id:
                return operation
        raise LookupError(operation_id)


def config() -> SchemathesisConfig:
    """Return settings of our own: what lies in the folder of whoever calls is not looked for.

    Shape:   413 is a refusal too, of a batch that is too long for its schema.
    """
    refusals = ["400", "401", "403", "404", "405", "406", "409", "413"]
    return SchemathesisConfig.from_dict(
        {"checks": {"negative_data_rejection": {"expected-statuses": refusals}}}
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def target(world: World) -> Target:
    async with world.client(OURS) as client:
        ended, living, dying = [await client.start() for _ in range(3)]
        await client.send(ended, {"n": 1})
        await client.http.post(f"/stream/{ended}/end")

        async def is_over() -> bool:
            return bool((await client.page(ended))["end"])

        await until(is_over, bool)
    # Whoever reads a stream that goes on never hears the end of its answer.
    streams = {"readResults": ended, "endStream": dying}
    document = schemathesis.openapi.from_url(f"{world.api.url}/schema", config=config())
    headers = {"x-api-key": world.keys[OURS]}
    found = {o.operation_id: streams.get(o.operation_id, living) for o in OPERATIONS}
    return Target(document, world.api.url, headers, found)


@pytest.mark.parametrize(
    ("operation_id", "mode"), ASKED, ids=[f"{name}-{mode.value}" for name, mode in ASKED]
)
def test_every_answer_is_one_that_the_document_has(
    target: Target, operation_id: str, mode: GenerationMode
) -> None:
    operation = target.operation(operation_id)
    generated = operation.as_strategy(generation_mode=mode)
    if "stream_id" in {one.name for one in operation.path_parameters}:
        known = {"stream_id": target.streams[operation_id]}
        about_one = operation.as_strategy(generation_mode=mode, path_parameters=known)
        generated = st.one_of(about_one, about_one, about_one, generated)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=generated)
    def ask(case: Case[Any]) -> None:
        headers = dict(target.headers)
        answer = case.call(base_url=target.url, headers=headers, timeout=SECONDS)
        excluded = [*NOT_SAID, *_not_meant_for(answer, operation_id)]
        # Some checks ask again, without the credential among others.
        again = {"base_url": target.url, "headers": headers, "timeout": SECONDS}
        case.validate_response(
            answer, excluded_checks=excluded, headers=headers, transport_kwargs=again
        )

    ask()


def _not_meant_for(answer: Response, operation_id: str) -> list[Any]:
    """Return the checks that do not know this kind of answer."""
    media_type = answer.headers.get("content-type", [""])[0]
    if "text/event-stream" in media_type:
        return OF_EVENTS
    is_of_many = answer.status_code == 207 or "x-ndjson" in media_type
    return OF_MANY if operation_id == "sendRecords" and is_of_many else []
