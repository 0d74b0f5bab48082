"""The functions that processor headers name, made once and kept."""

from __future__ import annotations

from typing import Any

import msgspec

from streaming_runtime.core.errors import InvalidBody
from streaming_runtime.processing.catalog import Catalog
from streaming_runtime.processing.processor import Process, Unprocessable

# Every stream may have an expression of its own. A parsed one takes about a hundred times its
# text, so the texts are what is counted.
MAX_CACHED_BYTES = 1 << 20


class Processes:
    """From a ``processor`` header to its function."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._made: dict[bytes, Process] = {}
        self._bytes = 0

    def of(self, header: bytes | None) -> Process:
        """Return the function that a header names.

        Raises:  Unprocessable, also for parameters that the start of a stream would refuse: an
                 older or foreign sender did not ask.
        """
        if header is None:
            raise Unprocessable("The processor header is missing")
        process = self._made.get(header)
        if process is None:
            process = self._make(header)
            self._keep(header, process)
        return process

    def _keep(self, header: bytes, process: Process) -> None:
        if self._bytes + len(header) > MAX_CACHED_BYTES:
            self._made.clear()
            self._bytes = 0
        if len(header) <= MAX_CACHED_BYTES:
            self._made[header] = process
            self._bytes += len(header)

    def _make(self, header: bytes) -> Process:
        try:
            # The short form of the HTTP contract, a name alone, is what a foreign sender may write.
            found = msgspec.json.decode(header, type=dict[str, Any] | str)
            parameters = {"name": found} if isinstance(found, str) else found
            name = str(parameters.pop("name"))
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, RecursionError):
            raise Unprocessable("The processor header is not a JSON object with a name") from None
        try:
            return self._catalog.process(name, parameters)
        except InvalidBody as exc:
            raise Unprocessable(str(exc)) from exc
