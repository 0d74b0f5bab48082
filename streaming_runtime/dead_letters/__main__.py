"""``python -m streaming_runtime.dead_letters``: list, show and replay dead letters."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping

from streaming_runtime.aws.environment import with_secrets
from streaming_runtime.core.beside_run import environment, with_broker
from streaming_runtime.core.errors import BrokerUnavailable, ConfigurationInvalid, Overloaded
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.core.terminal import complain, say
from streaming_runtime.dead_letters.options import parse
from streaming_runtime.dead_letters.replaying import replay
from streaming_runtime.dead_letters.showing import as_json, page, table
from streaming_runtime.kafka.dead_letters import DeadLetters, Letter, reading

DONE, NOT_DONE, ASKED_WRONGLY = 0, 1, 2
HINT = "is it running, and is that its address as seen from here?"


def main() -> int:
    """Do what the command line says; 1 when it was not done, 2 when it cannot be."""
    asked = parse(sys.argv[1:])
    # What goes wrong is said once, by us.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        environ = with_secrets(with_broker(environment(os.environ)))
        settings = KafkaSettings.from_env(environ)
        return asyncio.run(_within(asked, environ, settings))
    except ConfigurationInvalid as problem:
        complain(str(problem))
        return ASKED_WRONGLY
    except Overloaded as problem:
        complain(str(problem))
    except BrokerUnavailable:
        complain(f"Kafka at {settings.broker} (KAFKA_BROKER) cannot be reached: {HINT}")
    except TimeoutError:
        complain(f"not done after {asked.within:.0f} s: give it longer with --within")
    except KeyboardInterrupt:
        complain("stopped")
    except BrokenPipeError:
        # Whoever read the list has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return NOT_DONE


async def _within(
    asked: argparse.Namespace, environ: Mapping[str, str], settings: KafkaSettings
) -> int:
    async with asyncio.timeout(asked.within), reading(settings) as letters:
        if asked.action == "list":
            return await _list(asked, letters)
        if asked.action == "show":
            return await _show(asked, letters)
        return await replay(asked, environ, settings, letters)


async def _list(asked: argparse.Namespace, letters: DeadLetters) -> int:
    found = await letters.newest(asked.limit, _wanted(asked))
    if asked.json:
        say(*map(as_json, found))
    elif found:
        say(*table(found))
    else:
        complain("there are no such letters")
    return DONE


async def _show(asked: argparse.Namespace, letters: DeadLetters) -> int:
    letter = await letters.at(*asked.place)
    if letter is None:
        complain(f"there is no letter {asked.place[0]}-{asked.place[1]}: see the list")
        return NOT_DONE
    say(*([as_json(letter)] if asked.json else page(letter, is_full=asked.full)))
    return DONE


def _wanted(asked: argparse.Namespace) -> Callable[[Letter], bool]:
    since = asked.since or 0
    since_ms = since if since >= 0 else time.time_ns() // 1_000_000 + since

    def is_wanted(letter: Letter) -> bool:
        return (
            letter.timestamp >= since_ms
            and (asked.stream is None or letter.key == asked.stream.encode())
            and (asked.reason is None or asked.reason.lower() in letter.reason.lower())
        )

    return is_wanted


if __name__ == "__main__":
    sys.exit(main())
