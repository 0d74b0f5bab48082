"""A function's settings: from its variables, and from the secrets that these name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from streaming_runtime.core.errors import Overloaded
from streaming_runtime.core.secret_arns import revealed, secret_arns
from streaming_runtime.core.settings import Settings

# A key or a password that was replaced is in use after so long at most, without a deployment.
REREAD_SECONDS = 50.0
# Less than what a client waits for, and Secrets Manager's own client takes no longer.
READ_SECONDS = 4.0

ReadSecrets = Callable[[Mapping[str, str]], dict[str, str]]


class KnownSettings:
    """Reads settings at the first call, not at import, and the secrets among them now and then."""

    def __init__(
        self, environ: Mapping[str, str], read_secrets: ReadSecrets, now: Callable[[], float]
    ) -> None:
        self._environ = environ
        self._read_secrets = read_secrets
        self._now = now
        self._settings: Settings | None = None
        self._read_at = 0.0

    async def current(self) -> Settings:
        """Return the settings; those from before where the secrets cannot be read again just now.

        Raises:  ConfigurationInvalid; Overloaded while the secrets have not been read once.
        """
        arns = secret_arns(self._environ)
        is_young = self._now() - self._read_at < REREAD_SECONDS
        if self._settings is not None and (is_young or not arns):
            return self._settings
        # Before they are read: an outage is not asked about at every call either.
        self._read_at = self._now()
        try:
            secrets = await self._secrets(arns)
        except Overloaded:
            if self._settings is None:
                raise
            return self._settings
        self._settings = Settings.from_env(revealed(self._environ, secrets))
        return self._settings

    async def _secrets(self, arns: Mapping[str, str]) -> dict[str, str]:
        if not arns:
            return {}
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await asyncio.to_thread(self._read_secrets, arns)
        except TimeoutError:
            raise Overloaded("The secrets of this deployment cannot be read now") from None


def known_settings(environ: Mapping[str, str]) -> KnownSettings:
    return KnownSettings(environ, _read_secrets, time.time)


def _read_secrets(arns: Mapping[str, str]) -> dict[str, str]:
    # Brings boto3, which takes longer to import than all else; without ARNs nobody needs it.
    from streaming_runtime.aws.secrets import read_secrets  # noqa: PLC0415

    return read_secrets(arns)
