"""Each function may do what it does, and nothing that it never does.

What it does is written down while it runs, on a real broker and an emulated AWS: moto cannot say no
as IAM does, so the calls are held against the role's statements here.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.infra.recorded import Place, Recorded, record_all
from tests.infra.templates import EXAMPLE, SAM
from tests.infra.test_policies import statements

# A broker and four processes that each import all there is.
pytestmark = pytest.mark.timeout(240)

FUNCTIONS = ("start", "send", "results", "streams")
# What a request of Kafka's protocol needs of MSK, by the names that aiokafka has for the first.
OF_KAFKA = {
    "ApiVersion": "Connect",
    "CreateTopics": "CreateTopic",
    "DescribeConfigs": "DescribeTopicDynamicConfiguration",
    "Fetch": "ReadData",
    "InitProducerId": "WriteDataIdempotently",
    "Metadata": "DescribeTopic",
    "Offset": "DescribeTopic",
    "Produce": "WriteData",
}
# What Lambda does in a function's name, or a service of AWS on behalf of a call; no call of ours.
NOT_OURS = ("ec2:", "kms:", "logs:")


class Right(NamedTuple):
    """One action on one thing, whatever that thing is called in this deployment."""

    action: str
    thing: str


# What the run does not get to, and when a function does.
SELDOM: dict[str, dict[Right, str]] = {
    "start": {
        Right("dynamodb:GetItem", "table"): "a limit whose state was guessed wrong is read",
    },
    "send": {
        Right("dynamodb:DeleteItem", "table"): "the claim of a send that failed is let go",
        Right("kafka-cluster:ReadData", "input"): "the receipt of a send that was cut off is found",
    },
    "results": {},
    "streams": {},
}


@pytest.fixture(scope="module")
def ran(broker: str) -> tuple[Place, dict[str, Recorded]]:
    return record_all(broker)


def done(place: Place, recorded: Recorded) -> set[Right]:
    """Return the rights that a function's calls need."""
    rights = set()
    for service, operation, thing in recorded.asked:
        if service != "kafka":
            rights.add(Right(f"{service}:{operation}", _thing_of_aws(place, thing)))
        elif thing:
            topic = thing.removeprefix(place.prefix)
            rights.add(Right(f"kafka-cluster:{OF_KAFKA[operation]}", topic))
        elif operation != "Metadata":  # Of no topic: of the brokers alone, which needs no more.
            rights.add(Right(f"kafka-cluster:{OF_KAFKA[operation]}", "cluster"))
    return rights


def _thing_of_aws(place: Place, thing: str) -> str:
    if thing == place.table:
        return "table"
    name = thing.partition(":secret:")[2].removeprefix(place.prefix)
    return name.rpartition("-")[0] or thing


def allowed(function: str) -> set[Right]:
    """Return the rights that the template gives a function."""
    owners = {f"{function.capitalize()}Role", "FunctionPolicy"}
    return {
        Right(action, _thing_of_template(resource))
        for one in statements(SAM)
        if one.owner in owners and one.effect == "Allow"
        for action in one.actions
        for resource in one.resources
        if not action.startswith(NOT_OURS)
    }


def _thing_of_template(resource: str) -> str:
    named = {
        "@Table.Arn": "table",
        EXAMPLE["ApiKeysArn"]: "keys",
        EXAMPLE["SigningSecretArn"]: "signing",
    }
    if resource in named:
        return named[resource]
    kind, _, rest = resource.split(":", 5)[5].partition("/")
    return kind if kind == "cluster" else rest.rpartition("/")[2].removeprefix("millrace.")


def test_each_function_did_all_that_it_was_asked_for(
    ran: tuple[Place, dict[str, Recorded]],
) -> None:
    statuses = {name: recorded.statuses for name, recorded in ran[1].items()}

    assert statuses == {
        "start": [201, 201],
        # Nothing processes here: what waits for its result gets a receipt.
        "send": [202, 207, 200, 202, 202, 202, 422],
        "results": [200, 200, 204],
        "streams": [200, 200, 201, 202],
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_do_what_it_does(
    ran: tuple[Place, dict[str, Recorded]], function: str
) -> None:
    place, recorded = ran

    assert done(place, recorded[function]) - allowed(function) == set()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_do_nothing_that_it_never_does(
    ran: tuple[Place, dict[str, Recorded]], function: str
) -> None:
    place, recorded = ran
    unused = allowed(function) - done(place, recorded[function])

    assert unused == SELDOM[function].keys()


def test_no_function_makes_a_topic(ran: tuple[Place, dict[str, Recorded]]) -> None:
    operations = {call[:2] for recorded in ran[1].values() for call in recorded.asked}

    assert ("kafka", "CreateTopics") not in operations
    assert ("kafka", "Produce") in operations
