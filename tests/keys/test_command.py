"""The command as it is typed: on a file, on Kafka, on DynamoDB, and asked wrongly."""

from __future__ import annotations

import json
import secrets
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from streaming_runtime.core.api_keys import parsed
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.topics import ensure_topics
from tests.aws.table_server import environ_for, served_table
from tests.keys.command import Done, keys

SECRET = {"SIGNING_SECRET": "a secret of these tests"}


def listed(where: Path, *words: str, environ: dict[str, str] | None = None) -> dict[str, str]:
    """Return the state of each key by its id."""
    done = keys("list", "--json", *words, cwd=where, environ=environ)
    assert done.code == 0, done.err
    return {one["key_id"]: one["state"] for one in map(json.loads, done.out.splitlines())}


def id_of(done: Done) -> str:
    assert done.code == 0, done.err
    presented = parsed(done.out.strip().encode())
    assert presented is not None and done.out.count("\n") == 1
    return presented.key_id


def test_a_file_of_keys_from_its_first_key_to_the_last_revocation(tmp_path: Path) -> None:
    here = ("--file", "keys.json")
    made = keys("add", "--tenant", "acme", "--label", "the site", *here, cwd=tmp_path)
    first = id_of(made)
    second = id_of(keys("rotate", first, "--overlap", "0", *here, cwd=tmp_path))
    table = keys("list", *here, cwd=tmp_path)
    revoked = keys("revoke", second, *here, cwd=tmp_path)

    assert listed(tmp_path, *here) == {first: "expired", second: "revoked"}
    assert f"API_KEYS_FILE={tmp_path}/keys.json" in made.err
    assert made.out.strip() not in made.err
    assert [line.split()[0] for line in table.out.splitlines()] == ["ID", first, second]
    assert table.out.isascii() and "acme" in table.out
    again = keys("revoke", second, *here, cwd=tmp_path)
    assert (revoked.code, revoked.out, again.code) == (0, "", 0)
    assert "counts no more" in revoked.err and "was revoked before" in again.err
    assert made.out.split("_")[2] not in (tmp_path / "keys.json").read_text(encoding="utf-8")


async def test_keys_in_kafka_under_the_pepper_of_the_settings_in_the_dotenv(
    broker: str, tmp_path: Path
) -> None:
    settings = KafkaSettings(broker, "plaintext", f"k{secrets.token_hex(4)}.", 1)
    await ensure_topics(settings)
    variables = {"KAFKA_TOPIC_PREFIX": settings.topic_prefix, **SECRET}
    lines = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")
    # What `make run` leaves for commands that are started beside it.
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "broker").write_text(f"{broker}\n", encoding="utf-8")

    made = keys("add", "--tenant", "acme", cwd=tmp_path)
    found = listed(tmp_path, "--tenant", "acme")

    assert found == {id_of(made): "counts"}
    assert "SIGNING_SECRET" in made.err


@pytest.fixture
def table_url() -> Iterator[str]:
    with served_table() as url:
        yield url


def test_keys_in_a_table(table_url: str, tmp_path: Path) -> None:
    environ = environ_for(table_url)
    made = id_of(keys("add", "--tenant", "acme", cwd=tmp_path, environ=environ))

    assert listed(tmp_path, "--tenant", "acme", environ=environ) == {made: "counts"}


def test_a_shell_gets_the_key_and_nothing_else(tmp_path: Path) -> None:
    done = keys("add", "--tenant", "acme", "--file", "k", cwd=tmp_path)
    script = f'KEY=$(printf %s {shlex.quote(done.out)}); printf "[%s]" "$KEY"'

    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout

    assert said == f"[{done.out.strip()}]"


@pytest.mark.parametrize(
    ("words", "environ", "code", "named"),
    [
        ("list", {}, 2, "KAFKA_BROKER"),
        ("list", {"KAFKA_BROKER": "nowhere"}, 2, "KAFKA_BROKER"),
        ("list", {"KAFKA_BROKER": "127.0.0.1:9"}, 1, "KAFKA_BROKER"),
        ("list", {"STREAM_REGISTRY": "dynamodb"}, 2, "DYNAMODB_TABLE"),
        ("add --tenant a --file k", {"KEY_PEPPER": "short"}, 2, "KEY_PEPPER"),
        ("add --tenant a --file nowhere/k", {}, 2, "nowhere"),
        ("list --file missing", {}, 1, "missing"),
        ("revoke AAAAAAAAAAAA --file missing", {}, 1, "missing"),
        ("list --file damaged", {}, 2, "damaged"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_without_a_traceback(
    words: str, environ: dict[str, str], code: int, named: str, tmp_path: Path
) -> None:
    (tmp_path / "damaged").write_text("{", encoding="utf-8")

    done = keys(*words.split(), cwd=tmp_path, environ=environ)

    assert (done.code, done.out) == (code, "")
    assert named in done.err
    assert done.err.count("\n") == 1
