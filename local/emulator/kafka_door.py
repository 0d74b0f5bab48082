"""The connections of one copy of a function to Kafka, so that they can die while it is frozen."""

import asyncio
import struct

from local.ports import LOOPBACK

LENGTH = struct.Struct(">i")
MAX_FRAME_BYTES = 100 * 1024 * 1024


class Link:
    """One connection of the function, and the one of ours to the broker for it."""

    def __init__(self, client: asyncio.StreamWriter, broker: asyncio.StreamWriter) -> None:
        self.is_hole = False
        self._ends = (client, broker)

    def abort(self) -> None:
        for end in self._ends:
            end.transport.abort()


class KafkaDoor:
    """Stands before one broker, and tells its client that it is the broker.

    Answers that name the broker's address are rewritten: clients ask for the cluster first and
    would go past us otherwise.
    """

    def __init__(self, bootstrap: str) -> None:
        self._broker = int(bootstrap.rpartition(":")[2])
        self._port = 0
        self._server: asyncio.Server | None = None
        self._links: dict[asyncio.Task[None], Link | None] = {}

    @property
    def bootstrap(self) -> str:
        return f"{LOOPBACK}:{self._port}"

    @property
    def links(self) -> int:
        """Return how many connections stand, whether anything passes or not."""
        return len(self._links)

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = list(self._links)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def cut(self) -> None:
        """Abort all connections: the function sees a reset when it goes on."""
        for link in filter(None, self._links.values()):
            link.abort()

    def swallow(self) -> None:
        """Let nothing pass on the connections there are, and close none: a black hole."""
        for link in filter(None, self._links.values()):
            link.is_hole = True

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._link(reader, writer))
        self._links[task] = None
        task.add_done_callback(self._links.pop)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broker = None
        try:
            from_broker, broker = await asyncio.open_connection(LOOPBACK, self._broker)
            link = self._note(Link(writer, broker))
            async with asyncio.TaskGroup() as both:
                both.create_task(self._requests(link, reader, broker))
                both.create_task(self._answers(link, from_broker, writer))
        except* OSError:
            pass  # One side is gone, so the other one goes too.
        finally:
            for end in filter(None, (writer, broker)):
                end.transport.abort()

    def _note(self, link: Link) -> Link:
        task = asyncio.current_task()
        assert task is not None
        self._links[task] = link
        return link

    async def _requests(
        self, link: Link, source: asyncio.StreamReader, target: asyncio.StreamWriter
    ) -> None:
        while True:
            frame = await _frame(source)
            if not link.is_hole:
                target.write(frame)
                await target.drain()

    async def _answers(
        self, link: Link, source: asyncio.StreamReader, target: asyncio.StreamWriter
    ) -> None:
        theirs, ours = _address(self._broker), _address(self._port)
        while True:
            frame = await _frame(source)
            if not link.is_hole:
                target.write(frame.replace(theirs, ours))
                await target.drain()


async def _frame(source: asyncio.StreamReader) -> bytes:
    """Return the next request or answer, with its length before it.

    Raises:  OSError at the end of the connection.
    """
    try:
        head = await source.readexactly(LENGTH.size)
        (length,) = LENGTH.unpack(head)
        if not 0 < length <= MAX_FRAME_BYTES:
            raise OSError("that is no frame of Kafka's")
        return head + await source.readexactly(length)
    except EOFError as end:
        raise OSError("closed") from end


def _address(port: int) -> bytes:
    """Return host and port as they stand in an answer: a short string and an int32."""
    return struct.pack(">h", len(LOOPBACK)) + LOOPBACK.encode() + struct.pack(">i", port)
