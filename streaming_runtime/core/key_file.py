"""Issued keys in a file: one JSON document, written as a whole, read again when it has changed."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from streaming_runtime.core.api_keys import IssuedKey, merged
from streaming_runtime.core.entries import BadEntry
from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.core.key_entries import from_entry, to_entry

log = logging.getLogger("millrace.keys")

# A change acts after so long; a look costs one call of the system.
LOOK_SECONDS = 2.0
SEAL_BYTES = 32
OWNER_ONLY = 0o600
ADVICE = "`python -m streaming_runtime.keys add --tenant NAME --file"


class Document(NamedTuple):
    """What a file holds.

    Shape:  ``seal`` is random and made with the file. A server without SIGNING_SECRET and without
            configured keys seals its cursors with what follows from it, so that all that read the
            same file agree.
    """

    seal: str
    keys: dict[str, IssuedKey]


class KeyFile:
    """Implements core.ports.KnownKeys and IssuedKeyStore over a file.

    Units:  ``now`` counts seconds.
    """

    def __init__(self, path: str, now: Callable[[], float]) -> None:
        self._path = Path(path)
        self._now = now
        self._looked_at = float("-inf")
        self._version: tuple[int, ...] | None = None
        self._keys: dict[str, IssuedKey] = {}

    async def find(self, key_id: str) -> IssuedKey | None:
        if self._now() - self._looked_at >= LOOK_SECONDS:
            self._looked_at = self._now()
            self._look()
        return self._keys.get(key_id)

    async def put(self, key: IssuedKey) -> None:
        await asyncio.to_thread(self._put, key)

    async def get(self, key_id: str) -> IssuedKey | None:
        return read(self._path).keys.get(key_id)

    async def all(self, tenant: str | None = None) -> list[IssuedKey]:
        found = [key for key in read(self._path).keys.values() if tenant in (None, key.tenant)]
        return sorted(found, key=attrgetter("created_at", "key_id"))

    def _put(self, key: IssuedKey) -> None:
        with _alone(self._path):
            document = read(self._path) if self._path.exists() else made_anew()
            known = document.keys.get(key.key_id)
            document.keys[key.key_id] = key if known is None else merged(known, key)
            _write(self._path, document)

    def _look(self) -> None:
        """Read the file if it is another one than before.

        One that is gone has no keys. One that cannot be read is somebody's mistake just now: what
        was known stands, and the mistake is told.
        """
        try:
            status = self._path.stat()
            version = status.st_mtime_ns, status.st_size, status.st_ino
            if version == self._version:
                return
            self._keys, self._version = read(self._path).keys, version
        except FileNotFoundError:
            if self._version is not None:
                log.error("the file of keys is gone: none of its keys counts")
            self._keys, self._version = {}, None
        except (OSError, ConfigurationInvalid) as exc:
            log.error(
                "the file of keys cannot be read: what was in it stands",
                extra={"reason": str(exc)},
            )


def read(path: Path) -> Document:
    """Read the file.

    Raises:  FileNotFoundError; ConfigurationInvalid, in words that say what to do.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        keys = [from_entry(entry) for entry in raw["keys"]]
        seal = raw["seal"]
    except FileNotFoundError:
        raise
    except OSError as exc:
        raise ConfigurationInvalid(
            f"The file of keys {path} cannot be read: {exc.strerror}"
        ) from exc
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        why = str(exc) if isinstance(exc, BadEntry) else "it is not what was written"
        raise ConfigurationInvalid(
            f"The file of keys {path} is damaged ({why}): put a copy of it back, or remove it and"
            f" make its keys anew with {ADVICE} {path}`"
        ) from exc
    if not isinstance(seal, str) or len(seal) < SEAL_BYTES:
        raise ConfigurationInvalid(f"The file of keys {path} is damaged: it has no seal")
    return Document(seal, {key.key_id: key for key in keys})


def made_anew() -> Document:
    return Document(secrets.token_urlsafe(SEAL_BYTES), {})


def seal_of(path: str) -> bytes:
    """Return the seal of the file that API_KEYS_FILE names, once it is known to be usable.

    Raises:  ConfigurationInvalid.
    """
    try:
        return read(Path(path)).seal.encode()
    except FileNotFoundError:
        raise ConfigurationInvalid(
            f"API_KEYS_FILE ({path}) is not there: make it, with a first key, by {ADVICE} {path}`"
        ) from None
    except ConfigurationInvalid as problem:
        raise ConfigurationInvalid(f"API_KEYS_FILE: {problem}") from problem


def _write(path: Path, document: Document) -> None:
    """Replace the file as a whole: whoever reads finds the old one or the new one."""
    entries: list[dict[str, Any]] = [to_entry(key) for key in document.keys.values()]
    text = json.dumps({"seal": document.seal, "keys": entries}, indent=1) + "\n"
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one command at a time change a file; the kernel frees a killed one's lock."""
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, OWNER_ONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
