"""Issued keys as credentials: found by their id, compared by their digest, judged by the clock."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from streaming_runtime.core.api_keys import IssuedKey, Peppers, parsed
from streaming_runtime.core.key_file import KeyFile
from streaming_runtime.core.ports import KnownKeys
from streaming_runtime.core.principals import Principal
from streaming_runtime.core.settings import CredentialSettings

log = logging.getLogger("millrace.http.keys")


class KeptKeys:
    """Implements http.credential_kinds.IssuedKeys over the places where keys are kept.

    Shape:  an id is looked for in one place after the other.
    """

    def __init__(
        self, places: Sequence[KnownKeys], peppers: Peppers, now_ms: Callable[[], int]
    ) -> None:
        self._places = places
        self._peppers = peppers
        self._now_ms = now_ms
        self._told: set[str] = set()

    async def find(self, key: bytes) -> Principal | None:
        """Return whose key it is; None for none that counts now."""
        presented = parsed(key)
        if presented is None:
            return None
        kept = await self._kept(presented.key_id)
        if not self._peppers.fits(presented, kept) or kept is None:
            self._tell_of_pepper(kept)
            return None
        return kept.principal() if kept.counts(self._now_ms()) else None

    async def counts(self, key_id: str) -> bool:
        """Say whether whoever was let in with this key would be let in now.

        Raises:  StreamingError where nobody can tell.
        """
        kept = await self._kept(key_id)
        return kept is not None and kept.counts(self._now_ms())

    async def _kept(self, key_id: str) -> IssuedKey | None:
        for place in self._places:
            if (kept := await place.find(key_id)) is not None:
                return kept
        return None

    def _tell_of_pepper(self, kept: IssuedKey | None) -> None:
        """Say once why a key that looks right never counts: only an operator can mend it."""
        if kept is None or self._peppers.knows(kept.pepper) or kept.pepper in self._told:
            return
        self._told.add(kept.pepper)
        log.error(
            "a key was made under another KEY_PEPPER or SIGNING_SECRET than this process has: it"
            " is refused; make keys with the settings of the server",
            extra={"key_id": kept.key_id, "tenant": kept.tenant},
        )


def issued_keys(
    settings: CredentialSettings, kept: KnownKeys | None, now_ms: Callable[[], int]
) -> KeptKeys:
    """Return the issued keys of a process: those of its file, then those kept with its streams."""
    places: list[KnownKeys] = []
    if settings.keys_file:
        places.append(KeyFile(settings.keys_file, time.monotonic))
    if kept is not None:
        places.append(kept)
    return KeptKeys(places, Peppers(settings.peppers), now_ms)
