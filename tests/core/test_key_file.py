"""Keys in a file: written as a whole, read again when it changes, damaged, gone."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.core.key_file import LOOK_SECONDS, KeyFile, read, seal_of
from tests.core.issued import issued


class Clock:
    """Seconds as a test tells them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def keys_in(path: Path, clock: Clock | None = None) -> KeyFile:
    return KeyFile(str(path), clock or Clock())


async def test_only_its_owner_may_read_it_and_nothing_is_left_beside_it(path: Path) -> None:
    await keys_in(path).put(issued()[1])

    assert path.stat().st_mode & 0o777 == 0o600
    assert {one.name for one in path.parent.iterdir()} == {"keys.json", "keys.json.lock"}


async def test_it_holds_no_secret(path: Path) -> None:
    text, key = issued()
    await keys_in(path).put(key)

    assert text.split("_")[2] not in path.read_text(encoding="utf-8")


async def test_a_change_is_seen_at_the_next_look_and_no_look_comes_before(path: Path) -> None:
    clock, (_, key) = Clock(), issued()
    server, command = keys_in(path, clock), keys_in(path)
    await command.put(key)
    assert await server.find(key.key_id) == key

    revoked = replace(key, revoked_at=5)
    await command.put(revoked)
    clock.now += LOOK_SECONDS - 0.1
    assert await server.find(key.key_id) == key
    clock.now += 0.2
    assert await server.find(key.key_id) == revoked


async def test_many_commands_at_once_lose_nothing(path: Path) -> None:
    keys = [issued()[1] for _ in range(12)]

    await asyncio.gather(*(keys_in(path).put(key) for key in keys))

    assert set(await keys_in(path).all()) == set(keys)


async def test_the_seal_is_made_once_and_stays(path: Path) -> None:
    await keys_in(path).put(issued()[1])
    seal = seal_of(str(path))
    await keys_in(path).put(issued()[1])

    assert seal_of(str(path)) == seal
    assert len(seal) >= 32


async def test_a_file_that_is_gone_has_no_keys_and_one_that_comes_back_has(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, (_, key) = Clock(), issued()
    server = keys_in(path, clock)
    await server.put(key)
    assert await server.find(key.key_id) == key
    kept = path.read_bytes()

    path.unlink()
    clock.now += LOOK_SECONDS
    assert await server.find(key.key_id) is None
    assert "gone" in caplog.text

    path.write_bytes(kept)
    clock.now += LOOK_SECONDS
    assert await server.find(key.key_id) == key


async def test_a_file_that_is_damaged_while_we_run_changes_nothing_and_is_told(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, (_, key) = Clock(), issued()
    server = keys_in(path, clock)
    await server.put(key)
    await server.find(key.key_id)

    path.write_text("{", encoding="utf-8")
    clock.now += LOOK_SECONDS

    assert await server.find(key.key_id) == key
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_damaged_file_is_never_overwritten(path: Path) -> None:
    path.write_text("{", encoding="utf-8")

    with pytest.raises(ConfigurationInvalid, match="damaged"):
        await keys_in(path).put(issued()[1])
    assert path.read_text(encoding="utf-8") == "{"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"seal": "s", "keys": []}', '{"seal": 7, "keys": []}', "[" * 100_000],
)
def test_what_is_no_file_of_keys_is_refused_at_the_start_and_says_what_to_do(
    path: Path, text: str
) -> None:
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigurationInvalid, match="API_KEYS_FILE") as refused:
        seal_of(str(path))
    assert str(path) in str(refused.value)


async def test_a_single_bad_entry_is_named(path: Path) -> None:
    await keys_in(path).put(issued()[1])
    document = json.loads(path.read_text(encoding="utf-8"))
    document["keys"][0]["scopes"] = ["everything"]
    path.write_text(json.dumps(document), encoding="utf-8")

    with pytest.raises(ConfigurationInvalid, match="scopes"):
        read(path)


def test_a_missing_file_is_refused_with_the_command_that_makes_it(path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="API_KEYS_FILE") as refused:
        seal_of(str(path))

    assert f"keys add --tenant NAME --file {path}" in str(refused.value)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="cannot be read"):
        seal_of(str(tmp_path))
