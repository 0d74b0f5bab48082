"""What becomes of one input record: its results, or a dead letter. Decides, and writes nothing."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from streaming_runtime.core.model import STREAM_ID
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.processing import repeats
from streaming_runtime.processing.catalog import Catalog
from streaming_runtime.processing.dead_letters import dead_letter
from streaming_runtime.processing.json_text import MAX_RESULT_BYTES, check_json
from streaming_runtime.processing.processes import Processes
from streaming_runtime.processing.processor import Output, Rejected, Unprocessable
from streaming_runtime.processing.records import InputRecord, OutputRecord
from streaming_runtime.processing.results import Results, problem
from streaming_runtime.processing.time_limit import TookTooLong
from streaming_runtime.processing.topics import Topics

log = logging.getLogger("millrace.processing.handling")

TRIES = 3
PAUSE_SECONDS = 0.02
# No try of a record begins later, and the last one is interrupted half a second after that: its
# neighbours must not wait longer than a second.
TRYING_SECONDS = 0.3
MAX_PARTS = 9_999  # A source has four digits for them.
# A result's key and headers, and what Kafka puts around a batch.
RESULT_ENVELOPE_BYTES = 1_024
STREAM_KEY = re.compile(STREAM_ID.pattern.encode())
END = b"null"
TOO_SLOW = "The processor takes too long for this record"
NOBODY = "The key is not a stream id, so nobody waits for a result"

Headers = Mapping[str, bytes | None]


def _never(record: InputRecord, key: bytes) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where results and dead letters go.

    Units:  bytes of a result's value; bytes of a dead letter with all that is around it.
    """

    results: str
    dead_letters: str
    max_result_bytes: int
    max_dead_letter_bytes: int

    @classmethod
    def of(cls, kafka: KafkaSettings, topics: Topics) -> Destinations:
        largest = min(MAX_RESULT_BYTES, topics.max_result_bytes - RESULT_ENVELOPE_BYTES)
        return cls(
            kafka.results_topic, kafka.dead_letter_topic, largest, topics.max_dead_letter_bytes
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a record was given up: in words for operators, and in words for its client."""

    reason: str
    detail: str
    attempts: int


class Handling:
    """Turns input records into output records; the same record always gives the same ones."""

    def __init__(
        self,
        destinations: Destinations,
        catalog: Catalog,
        now_ms: Callable[[], int],
        limit: AbstractContextManager[object] | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._to = destinations
        self._now_ms = now_ms
        self._limit = limit or nullcontext()
        self._pause = pause
        self._processes = Processes(catalog)
        self._results = Results(destinations.results, now_ms)

    def outputs(
        self, record: InputRecord, is_repeat: Callable[[InputRecord, bytes], bool] = _never
    ) -> list[OutputRecord]:
        """Return what to write for one record, in order; nothing for a repeat, and only for one.

        ``is_repeat`` is asked about a record that has an Idempotency-Key.
        """
        if record.key is None or STREAM_KEY.fullmatch(record.key) is None:
            return [self._dead_letter(record, Failure(NOBODY, NOBODY, 1))]
        # Of headers with one name Kafka's convention is that the last counts.
        headers = dict(record.headers or ())
        if (key := headers.get(repeats.HEADER)) and is_repeat(record, key):
            return []
        if headers.get("kind") == b"end":
            return [self._results.make(record, headers, "end", END)]
        made = self._try(record, headers)
        if isinstance(made, Failure):
            told = self._results.make(record, headers, "failed", problem(made.detail))
            return [self._dead_letter(record, made), told]
        if len(made) == 1:
            return [self._result(record, headers, made[0])]
        return [self._result(record, headers, o, part) for part, o in enumerate(made, 1)]

    def _try(self, record: InputRecord, headers: Headers) -> list[Output] | Failure:
        """Process, up to three times: what fails by chance must not look like poison."""
        deadline = time.monotonic() + TRYING_SECONDS
        attempt = 1
        while True:
            try:
                with self._limit:
                    return self._processed(record, headers)
            except TookTooLong:
                return Failure(TOO_SLOW, TOO_SLOW, attempt)
            except Unprocessable as exc:
                failure = Failure(str(exc), str(exc), attempt)
                pause = 0.0
            except Exception as exc:  # noqa: BLE001 - a processor is foreign code: whatever it raises, its partition goes on
                failure = _unexpected(record, exc, attempt)
                pause = PAUSE_SECONDS
            if attempt == TRIES or time.monotonic() + pause > deadline:
                return failure
            self._pause(pause)
            attempt += 1

    def _processed(self, record: InputRecord, headers: Headers) -> list[Output]:
        if headers.get("kind") != b"record":
            raise Unprocessable("The kind header is neither record nor end")
        process = self._processes.of(headers.get("processor"))
        made = process(check_json(record.value))
        outputs = made if isinstance(made, list) else [made]
        if not 1 <= len(outputs) <= MAX_PARTS:
            raise Unprocessable(f"The processor gave {len(outputs)} results")
        for output in outputs:
            if not isinstance(output, Rejected):
                self._check(output, is_known=output is record.value)
        return outputs

    def _check(self, output: bytes, *, is_known: bool) -> None:
        """Refuse what readers could not take, whatever a processor gives.

        Raises:  Unprocessable.
        """
        if not is_known:
            check_json(output)
        if len(output) > self._to.max_result_bytes:
            limit = self._to.max_result_bytes >> 10
            raise Unprocessable(f"The result would be larger than {limit} KiB")

    def _result(
        self, record: InputRecord, headers: Headers, output: Output, part: int | None = None
    ) -> OutputRecord:
        if isinstance(output, Rejected):
            return self._results.make(record, headers, "failed", problem(output.detail), part)
        return self._results.make(record, headers, "result", output, part)

    def _dead_letter(self, record: InputRecord, failure: Failure) -> OutputRecord:
        log.warning(
            "a record could not be processed",
            extra={
                "stream_id": (record.key or b"").decode("ascii", "replace"),
                "source": record.source.decode(),
                "reason": failure.reason,
            },
        )
        return dead_letter(
            record,
            failure.reason,
            failure.attempts,
            topic=self._to.dead_letters,
            max_bytes=self._to.max_dead_letter_bytes,
            now_ms=self._now_ms(),
        )


def _unexpected(record: InputRecord, exc: Exception, attempt: int) -> Failure:
    log.error(
        "a processor failed",
        exc_info=exc,
        extra={"source": record.source.decode(), "attempt": attempt},
    )
    return Failure(
        f"The processor raised {type(exc).__name__}",
        "The processor failed on this record",
        attempt,
    )
