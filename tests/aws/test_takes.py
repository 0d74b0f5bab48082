"""Further limits in the table, where not every call succeeds."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from streaming_runtime.aws.limits import DynamoLimits
from streaming_runtime.aws.takes import DynamoTakes
from streaming_runtime.core.takes import Take, bucket_of
from tests.aws.table import OneAtATime, client, dynamo, emulated_table

NOW = 1_700_000_000.0
RECORDS, BYTES = (bucket_of(kind, 1, 20, "acme") for kind in ("records", "bytes"))


async def test_a_refusal_stands_though_what_was_taken_cannot_be_given_back() -> None:
    class Busy(OneAtATime):
        """Takes no gifts."""

        def update_item(self, **request: Any) -> Any:
            if "full_at - :price" in request["UpdateExpression"]:
                refusal = {"Error": {"Code": "ThrottlingException", "Message": "no"}}
                raise ClientError(refusal, "UpdateItem")
            return super().__getattr__("update_item")(**request)

    with emulated_table(), dynamo(lambda: Busy(client())) as opened:
        takes = DynamoTakes(opened, lambda: NOW)
        both = Take(RECORDS, 2), Take(BYTES, 15)

        told = [await takes.take_all(both) for _ in range(3)]

    assert [each[-1].is_admitted for each in told] == [True, False, False]


async def test_a_tenant_may_be_named_as_a_bucket() -> None:
    with emulated_table(), dynamo() as opened:
        takes = DynamoTakes(opened, lambda: NOW)
        requests = DynamoLimits(opened, 1, 20, lambda: NOW)

        assert (await takes.take_all([Take(RECORDS, 20)]))[0].is_admitted
        assert (await requests.take(RECORDS, 20)).is_admitted
