"""Issued API keys: their form, what is kept of one, and how a presented one is judged.

``millrace_KEYID_SECRET_CHECK``. The id finds what is kept; the secret is only ever kept as an HMAC;
the check lets a mistyped key be refused without looking anything up.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from streaming_runtime.core.principals import EVERY_SCOPE, EVERY_STREAM, Principal, Scope

PREFIX = "millrace"
# No "-" and no "_" in the parts: a double click takes in the whole key, and no part can end early.
ALPHABET = string.digits + string.ascii_letters
ID_CHARACTERS = 12
# 62 ** 43 is above 2 ** 256.
SECRET_CHARACTERS = 43
KEY_ID = re.compile(rf"[0-9A-Za-z]{{{ID_CHARACTERS}}}")
FORM = re.compile(
    rb"millrace_([0-9A-Za-z]{%d})_([0-9A-Za-z]{%d})_([0-9a-f]{8})"
    % (ID_CHARACTERS, SECRET_CHARACTERS)
)
NO_PEPPER = "none"


class Presented(NamedTuple):
    """The parts of a key as somebody sent it."""

    key_id: str
    secret: bytes


class Pepper(NamedTuple):
    """What digests are made under, and the name that stands beside each for it."""

    version: str
    material: bytes


# The secrets have 256 random bits: nobody finds one from its digest, with or without a pepper. What
# a pepper adds is that whoever can write where keys are kept still cannot make one that counts. So
# without any secret in the configuration there is none, and a key made by the command counts on a
# server that was started without a word of setting up.
UNPEPPERED = Pepper(NO_PEPPER, b"millrace keys without a pepper")


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """What is kept of a key: everything but its secret.

    Shape:  ``digest`` is the HMAC of the secret in hexadecimal, under the pepper that ``pepper``
            names; ``streams`` is a pattern of stream ids.
    Units:  moments are milliseconds since 1970; ``per_second`` and ``burst`` count requests.
    """

    key_id: str
    tenant: str
    digest: str
    pepper: str
    created_at: int
    scopes: frozenset[Scope] = EVERY_SCOPE
    streams: str = EVERY_STREAM
    label: str | None = None
    expires_at: int | None = None
    revoked_at: int | None = None
    per_second: int | None = None
    burst: int | None = None

    def counts(self, now_ms: int) -> bool:
        """Say whether it is of use now."""
        return self.revoked_at is None and (self.expires_at is None or now_ms < self.expires_at)

    def principal(self) -> Principal:
        """Return who it speaks for."""
        return Principal(
            self.tenant,
            self.scopes,
            self.streams,
            self.key_id,
            self.expires_at,
            self.per_second,
            self.burst,
        )


def generated() -> tuple[str, Presented]:
    """Return a new key, and its parts."""
    key_id = "".join(secrets.choice(ALPHABET) for _ in range(ID_CHARACTERS))
    secret = "".join(secrets.choice(ALPHABET) for _ in range(SECRET_CHARACTERS))
    text = f"{PREFIX}_{key_id}_{secret}"
    return f"{text}_{_check(text.encode())}", Presented(key_id, secret.encode())


def parsed(key: bytes) -> Presented | None:
    """Return the parts of a key, None for what was never made by us or is mistyped."""
    match = FORM.fullmatch(key)
    if match is None:
        return None
    text, _, check = key.rpartition(b"_")
    if not hmac.compare_digest(_check(text).encode(), check):
        return None
    return Presented(match[1].decode(), match[2])


def digest_of(secret: bytes, pepper: Pepper) -> str:
    """Return what is kept in place of a secret."""
    return hmac.digest(pepper.material, secret, "sha256").hex()


class Peppers:
    """The peppers of a deployment: the first is for new keys, under any of them a key may stand."""

    def __init__(self, materials: Sequence[bytes]) -> None:
        known = [Pepper(_version(material), material) for material in materials] or [UNPEPPERED]
        self.newest = known[0]
        self._known = {pepper.version: pepper for pepper in known}

    def knows(self, version: str) -> bool:
        return version in self._known

    def fits(self, presented: Presented, kept: IssuedKey | None) -> bool:
        """Say whether it is the key that is kept.

        An id that is unknown, and a digest under a pepper that is unknown, cost as much time as a
        wrong secret.
        """
        pepper = self._known.get(kept.pepper) if kept is not None else None
        found = digest_of(presented.secret, pepper or self.newest)
        wanted = kept.digest if kept is not None else "0" * len(found)
        return hmac.compare_digest(found, wanted) and pepper is not None


def merged(known: IssuedKey, written: IssuedKey) -> IssuedKey:
    """Return what two entries of one key say together.

    Two may change it at once. A revocation is never taken back and an expiry never put off,
    whatever the order of the entries.
    """
    revoked_at = _earlier(known.revoked_at, written.revoked_at)
    expires_at = _earlier(known.expires_at, written.expires_at)
    if (revoked_at, expires_at) == (written.revoked_at, written.expires_at):
        return written
    return replace(written, revoked_at=revoked_at, expires_at=expires_at)


def pepper_from(secret: bytes) -> bytes:
    """Return a pepper that follows from another secret and does not tell of it."""
    return hmac.digest(secret, b"millrace pepper of keys", "sha256")


def _version(material: bytes) -> str:
    return hashlib.sha256(b"millrace pepper version\0" + material).hexdigest()[:8]


def _check(text: bytes) -> str:
    return f"{zlib.crc32(text):08x}"


def _earlier(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
