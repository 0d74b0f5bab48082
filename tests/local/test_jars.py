import hashlib
import sys
from pathlib import Path

import pytest

from local import jars

GOOD = {"one.jar": hashlib.sha256(b"one").hexdigest()}
FETCHES = "import pathlib,sys; d = pathlib.Path(sys.argv[1], 'jars'); d.mkdir(); "
FETCHES_GOOD = [sys.executable, "-c", FETCHES + "(d / 'one.jar').write_bytes(b'one')"]
FETCHES_BAD = [sys.executable, "-c", FETCHES + "(d / 'one.jar').write_bytes(b'evil')"]
FAILS = [sys.executable, "-c", "raise SystemExit('no route to the registry')"]


async def test_fetched_once_then_taken_from_the_cache(tmp_path: Path) -> None:
    cache = tmp_path / "kafka"

    first = await jars.kafka_jars(cache, GOOD, FETCHES_GOOD)
    second = await jars.kafka_jars(cache, GOOD, FAILS)

    assert first == second == [cache / "one.jar"]


async def test_a_jar_with_another_sum_is_refused_and_not_kept(tmp_path: Path) -> None:
    cache = tmp_path / "kafka"

    with pytest.raises(jars.JarsRefused, match=r"one\.jar has the sum"):
        await jars.kafka_jars(cache, GOOD, FETCHES_BAD)

    assert not cache.exists()
    assert not list(tmp_path.glob("fetching-*"))


async def test_a_jar_changed_in_the_cache_is_fetched_again(tmp_path: Path) -> None:
    cache = tmp_path / "kafka"
    await jars.kafka_jars(cache, GOOD, FETCHES_GOOD)
    (cache / "one.jar").write_bytes(b"evil")

    await jars.kafka_jars(cache, GOOD, FETCHES_GOOD)

    assert (cache / "one.jar").read_bytes() == b"one"


async def test_when_nothing_can_be_fetched_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(jars.JarsUnavailable) as caught:
        await jars.kafka_jars(tmp_path / "kafka", GOOD, FAILS)

    text = str(caught.value)
    assert "no route to the registry" in text
    assert "KAFKA_BROKER" in text
    assert "docker compose up" in text


async def test_what_a_killed_fetch_left_is_not_used(tmp_path: Path) -> None:
    half = tmp_path / "fetching-dead" / "jars"
    half.mkdir(parents=True)
    (half / "one.jar").write_bytes(b"o")

    await jars.kafka_jars(tmp_path / "kafka", GOOD, FETCHES_GOOD)

    assert not half.exists()
    assert (tmp_path / "kafka" / "one.jar").read_bytes() == b"one"


def test_the_committed_sums_name_each_jar_once_and_no_place() -> None:
    sums = jars.expected_sums()

    assert len(sums) == 45
    assert all(name.endswith(".jar") and "/" not in name for name in sums)
    assert all(len(digest) == 64 for digest in sums.values())
    assert "kafka-clients-4.4.0.jar" in sums


def test_the_cache_is_the_users_own() -> None:
    assert jars.cache_directory({"XDG_CACHE_HOME": "/c"}) == Path("/c/millrace/kafka-4.4.0")
