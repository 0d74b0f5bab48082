"""Reading a log as any transport does, for the tests of readings."""

from streaming_runtime.core.cursor import Cursor
from streaming_runtime.core.model import Stream
from streaming_runtime.core.reading import Delivery, Gap, Readings, Start
from tests.core.memory import OTHER_ID, SEAL, MemoryLog, a_stream

STREAM = a_stream()


def readings_of(log: MemoryLog) -> Readings:
    return Readings(log, SEAL)


def a_log(count: int = 6) -> MemoryLog:
    """Return a log of ours at even offsets (sources 0, 2, 4) and another's at odd ones."""
    log = MemoryLog()
    for source in range(count):
        log.write(source, OTHER_ID if source % 2 else STREAM.stream_id, at=source * 1_000)
    return log


async def begin(log: MemoryLog, start: Start, stream: Stream = STREAM) -> tuple[Cursor, Gap | None]:
    return await readings_of(log).begin(stream, start)


async def read(log: MemoryLog, start: Start, stream: Stream = STREAM) -> list[Delivery]:
    """Read until nothing comes or it is over, as any transport does."""
    readings = readings_of(log)
    cursor, _ = await readings.begin(stream, start)
    found: list[Delivery] = []
    async with readings.open(stream, cursor) as reader:
        while (deliveries := await reader.take(0.0)) and reader.ending is None:
            found += deliveries
        found += deliveries
    assert log.open_feeds == 0
    return found


def sources_of(deliveries: list[Delivery]) -> list[int]:
    return [delivery.result.entry.height.offset for delivery in deliveries]


def again(delivery: Delivery | Gap | str) -> Start:
    """Return the start of a client that comes back with what it has."""
    if isinstance(delivery, Gap):
        return Start("cursor", cursor=delivery.earliest)
    return Start("cursor", cursor=delivery if isinstance(delivery, str) else delivery.id)


def an_ended_log() -> tuple[MemoryLog, Stream]:
    log = a_log()
    log.write(6, kind="end")
    log.write(7, OTHER_ID)
    return log, a_stream(ended_at=6_000, end_source=6)
