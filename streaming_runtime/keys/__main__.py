"""``python -m streaming_runtime.keys``: add, list, rotate and revoke keys."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from streaming_runtime.aws.environment import with_secrets
from streaming_runtime.core.api_keys import NO_PEPPER, IssuedKey, Peppers
from streaming_runtime.core.audit import configure_audit
from streaming_runtime.core.beside_run import environment
from streaming_runtime.core.clock import now_ms
from streaming_runtime.core.errors import (
    BrokerUnavailable,
    ConfigurationInvalid,
    OutcomeUnknown,
    Overloaded,
)
from streaming_runtime.core.settings import key_peppers
from streaming_runtime.core.terminal import complain, say
from streaming_runtime.keys.changes import Keys, NotDone
from streaming_runtime.keys.options import parse
from streaming_runtime.keys.places import Place, place_of
from streaming_runtime.keys.showing import as_json, rights, table

DONE, NOT_DONE, ASKED_WRONGLY = 0, 1, 2
WITHIN_SECONDS = 60.0


def main() -> int:
    """Do what the command line says; 1 when it was not done, 2 when it cannot be."""
    asked = parse(sys.argv[1:])
    # What goes wrong is said once, by us.
    for name in ("aiokafka", "millrace"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        environ = with_secrets(environment(os.environ))
        configure_audit(environ.get("AUDIT_LOG", ""), "keys")
        return asyncio.run(_within(asked, environ))
    except ConfigurationInvalid as problem:
        complain(str(problem))
        return ASKED_WRONGLY
    except BrokerUnavailable:
        complain(
            "nothing was changed: where the keys are kept cannot be reached. Is it running, and is"
            " its address (KAFKA_BROKER, or the table's) right as seen from here?"
        )
    except OutcomeUnknown:
        complain("it may be done or not: look at the list; what is not there can be done again")
    except (NotDone, Overloaded) as problem:
        complain(str(problem))
    except FileNotFoundError as problem:
        complain(f"there is no file {problem.filename}: `add --tenant NAME --file` makes it")
    except OSError as problem:
        complain(f"{problem.filename or 'a file'} cannot be used: {problem.strerror}")
    except TimeoutError:
        complain(f"not done after {WITHIN_SECONDS:.0f} s: look at the list")
    except KeyboardInterrupt:
        complain("stopped")
    return NOT_DONE


async def _within(asked: argparse.Namespace, environ: Mapping[str, str]) -> int:
    peppers = Peppers(key_peppers(environ))
    async with asyncio.timeout(WITHIN_SECONDS), place_of(environ, asked.file) as place:
        keys = Keys(place.store, peppers.newest, now_ms)
        if asked.action == "list":
            await _list(asked, keys, place)
        elif asked.action == "add":
            text, key = await keys.add(asked)
            complain(f"key {key.key_id} of tenant {key.tenant}: {rights(key)}")
            _hand_over(text, key, asked.file)
        elif asked.action == "rotate":
            text, key, first = await keys.rotate(asked.key_id, asked.overlap)
            complain(f"key {key.key_id} follows {first.key_id}, which now ends: {rights(first)}")
            _hand_over(text, key, asked.file)
        else:
            begun, key = now_ms(), await keys.revoke(asked.key_id)
            is_new = (key.revoked_at or 0) >= begun
            what = "counts no more, within 60 s" if is_new else "was revoked before"
            complain(f"key {key.key_id} of tenant {key.tenant} {what}")
    return DONE


async def _list(asked: argparse.Namespace, keys: Keys, place: Place) -> None:
    found, now = await keys.all(asked.tenant), now_ms()
    if asked.json:
        say(*(as_json(key, now) for key in found))
    elif found:
        say(*table(found, now))
    else:
        complain(f"there are no such keys in {place.name}: `add --tenant NAME` makes one")


def _hand_over(text: str, key: IssuedKey, file: str | None) -> None:
    """Print the key alone where a shell takes it from, and all words beside it."""
    if file is not None:
        complain(f"servers find it with API_KEYS_FILE={Path(file).absolute()}")
    if key.pepper == NO_PEPPER:
        complain(
            "it counts on servers without KEY_PEPPER and SIGNING_SECRET: if yours have one, set the"
            " same here, or in .env, and make another"
        )
    else:
        complain("it counts on servers with the KEY_PEPPER or SIGNING_SECRET of this command")
    complain("clients send it as the header x-api-key. It is shown this once:")
    say(text)


if __name__ == "__main__":
    sys.exit(main())
