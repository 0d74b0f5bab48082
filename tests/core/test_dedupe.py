"""The once-only rule, played: processing that crashes, replays and leaves zombies behind."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from streaming_runtime.core.dedupe import OnceOnly
from streaming_runtime.core.model import NOTHING_SEEN, Height, LogEntry, Position
from tests.core.memory import STREAM_ID

INPUT_RECORDS = 12
MOST_PARTS = 3


def _entry(offset: int, height: Height) -> LogEntry:
    return LogEntry(STREAM_ID, offset, "result", "", height, b"null", 0, 0)


class Reader:
    """A reader that stands somewhere: all it keeps is its position, as a cursor does."""

    def __init__(self, position: Position) -> None:
        self.position = position
        self.seen: list[LogEntry] = []

    def read(self, log: list[LogEntry], most: int) -> None:
        once = OnceOnly(self.position.height)
        end = min(len(log), self.position.offset + most)
        self.seen += [e for e in log[self.position.offset : end] if once.takes(e)]
        self.position = Position(end, once.height)


class Processing(RuleBasedStateMachine):
    """Writers over one input partition, each contiguous, and readers of the results."""

    @initialize(parts=st.lists(st.integers(1, MOST_PARTS), min_size=1, max_size=INPUT_RECORDS))
    def begin(self, parts: list[int]) -> None:
        # An input record gives one result or several; these are the heights, in order.
        self.wanted = [Height(o, p) for o, count in enumerate(parts) for p in range(count)]
        self.log: list[LogEntry] = []
        self.committed = 0
        self.writers = [0]
        self.readers = [Reader(Position(0))]

    @rule(which=st.integers(0, 9), most=st.integers(1, 8))
    def a_writer_goes_on(self, which: int, most: int) -> None:
        """Any of them: the owner, or a zombie that does not know it yet."""
        index = which % len(self.writers)
        first = self.writers[index]
        for height in self.wanted[first : first + most]:
            self.log.append(_entry(len(self.log), height))
        self.writers[index] = min(first + most, len(self.wanted))

    @rule()
    def what_is_acknowledged_is_committed(self) -> None:
        written = self.writers[-1]
        if written < len(self.wanted):
            self.committed = max(self.committed, self.wanted[written].offset)

    @rule()
    def the_partition_moves_to_another_process(self) -> None:
        """It begins at the last commit; the one before may go on writing."""
        self.writers.append(self.wanted.index(Height(self.committed)))

    @rule(most=st.integers(1, 10))
    def readers_read(self, most: int) -> None:
        for reader in self.readers:
            reader.read(self.log, most)

    @rule()
    def a_reader_comes_late(self) -> None:
        self.readers.append(Reader(Position(0, NOTHING_SEEN)))

    @invariant()
    def every_reader_has_each_result_once_and_in_order(self) -> None:
        for reader in self.readers:
            heights = [entry.height for entry in reader.seen]
            assert heights == self.wanted[: len(heights)]

    @invariant()
    def all_readers_see_the_same_ones(self) -> None:
        longest = max((reader.seen for reader in self.readers), key=len)
        for reader in self.readers:
            assert reader.seen == longest[: len(reader.seen)]

    def teardown(self) -> None:
        for reader in getattr(self, "readers", []):
            reader.read(self.log, len(self.log))
            written = max((entry.height for entry in self.log), default=NOTHING_SEEN)
            assert len(reader.seen) == len([h for h in self.wanted if h <= written])


Processing.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestEveryReaderSeesEachResultOnce = Processing.TestCase


def test_a_repeat_and_what_is_below_it_are_not_taken() -> None:
    once = OnceOnly(Height(5))

    taken = [o for o, h in enumerate((4, 5, 6, 6, 5, 7)) if once.takes(_entry(o, Height(h)))]

    assert taken == [2, 5]
    assert once.height == Height(7)


def test_several_results_of_one_record_are_all_taken() -> None:
    once = OnceOnly()

    taken = [once.takes(_entry(part, Height(3, part))) for part in (0, 1, 1, 2)]

    assert taken == [True, True, False, True]
