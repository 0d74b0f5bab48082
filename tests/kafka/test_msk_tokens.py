"""Tokens of MSK's IAM: made offline, once, and never used when they are about to expire."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
import threading
import time
from urllib.parse import parse_qs, urlparse

import pytest
from aiokafka.errors import KafkaConnectionError

from streaming_runtime.kafka.msk_tokens import SPARE_SECONDS, MskTokens, msk_tokens


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-nobody")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-session")


class Signer:
    """Counts the tokens it has made, and where."""

    def __init__(self, seconds: float) -> None:
        self.made = 0
        self.threads: set[str] = set()
        self._seconds = seconds

    def __call__(self) -> tuple[str, int]:
        self.made += 1
        self.threads.add(threading.current_thread().name)
        time.sleep(0.02)
        return f"token {self.made}", int((time.time() + self._seconds) * 1000)


async def test_connections_that_open_at_once_share_one_token_made_off_the_loop() -> None:
    signer = Signer(900)
    tokens = MskTokens(signer)

    found = set(await asyncio.gather(*(tokens.token() for _ in range(20))))

    assert found == {"token 1"}
    assert await tokens.token() == "token 1"
    assert threading.current_thread().name not in signer.threads


async def test_a_token_that_is_about_to_expire_is_not_used() -> None:
    tokens = MskTokens(Signer(SPARE_SECONDS - 1))

    assert [await tokens.token(), await tokens.token()] == ["token 1", "token 2"]


async def test_without_credentials_it_is_as_if_no_broker_were_there() -> None:
    def none() -> tuple[str, int]:
        raise AttributeError("'NoneType' object has no attribute 'access_key'")

    with pytest.raises(KafkaConnectionError):
        await MskTokens(none).token()


def test_all_loops_of_a_process_share_one() -> None:
    tokens = MskTokens(Signer(900))

    assert {asyncio.run(tokens.token()) for _ in range(2)} == {"token 1"}
    assert msk_tokens("eu-west-1") is msk_tokens("eu-west-1")
    assert msk_tokens("eu-west-1") is not msk_tokens("eu-west-2")


@pytest.mark.usefixtures("credentials")
async def test_a_real_token_asks_to_connect_in_its_region_for_a_quarter_of_an_hour() -> None:
    # Nothing answers here: whoever signs must not ask anybody.
    token = await msk_tokens("eu-central-1").token()

    url = urlparse(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    asked = parse_qs(url.query)
    assert url.hostname == "kafka.eu-central-1.amazonaws.com"
    assert asked["Action"] == ["kafka-cluster:Connect"]
    assert asked["X-Amz-Expires"] == ["900"]
    assert "a-secret-of-nobody" not in token


def test_whoever_needs_no_token_does_not_load_what_signs() -> None:
    code = (
        "import sys, streaming_runtime.kafka.clients, streaming_runtime.processing.clients as c;"
        "assert not {'botocore', 'boto3'} & set(sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
