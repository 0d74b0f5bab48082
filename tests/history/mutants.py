"""The product broken on purpose: each mutant is a few exact replacements, and what provokes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.history.schedule import Planned


@dataclass(frozen=True)
class Edit:
    """One replacement; ``old`` stands exactly once in the file."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """One defect; without edits the product as it is.

    Shape:   ``plan`` are the faults of its run, ``options`` what is else than in ``DIRECTED``.
    """

    name: str
    what: str
    edits: tuple[Edit, ...]
    plan: tuple[Planned, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def hurts_brokers(self) -> bool:
        return any(fault.kind.startswith("broker.") for fault in self.plan)


class EditDoesNotFit(Exception):
    """The source has changed: the replacement stands nowhere, or in several places."""


# Short, and with records so dense that each fault meets some of them under way.
DIRECTED: dict[str, Any] = {
    "seconds": 5.0,
    "rate": 200.0,
    "producers": 8,
    "streams": 4,
    "readers": ("sse1", "socket", "wanderer", "traveller"),
    "drain_seconds": 4.0,
    # What is measured here is not speed, and several run at once.
    "first_ok_limit": 30.0,
    "first_recv_limit": 90.0,
    "quiet": True,
}


def mutated(text: str, edit: Edit) -> str:
    """Return a file's text with the defect in it.

    Raises:  EditDoesNotFit.
    """
    if (count := text.count(edit.old)) != 1:
        raise EditDoesNotFit(f"{edit.path} holds this {count} times, not once:\n{edit.old}")
    return text.replace(edit.old, edit.new)


def apply(mutant: Mutant, root: Path) -> None:
    """Break the copy of the checkout at ``root``.

    Raises:  EditDoesNotFit.
    """
    for edit in mutant.edits:
        path = root / edit.path
        path.write_text(mutated(path.read_text(encoding="utf-8"), edit), encoding="utf-8")


_CORE = "streaming_runtime/core"
_KAFKA = "streaming_runtime/kafka"
_LIVE = "streaming_runtime/live"
_PROCESSING = "streaming_runtime/processing"

# Slots 0 and 1 are API servers, 2 and 3 processing.
_KILLS = (
    Planned(1.0, "processing.kill", 0, 0.0),
    Planned(1.5, "processing.kill", 1, 0.0),
)
# Longer than a send has.
_LOST_ANSWERS = (Planned(0.5, "link.deaf", 0, 3.5), Planned(0.7, "link.deaf", 1, 3.5))

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "acknowledge-before-kafka",
        "the receipt is given while the record is still on its way",
        (
            Edit(
                f"{_KAFKA}/producer.py",
                "        return Stored(*await waiter)\n",
                "        waiter.add_done_callback(lambda w: w.cancelled() or w.exception())\n"
                "        return Stored(await self.partition_for(topic, key), 0)\n",
            ),
        ),
        (Planned(0.5, "link.hole", 0, 3.5), Planned(0.5, "link.hole", 1, 3.5)),
    ),
    Mutant(
        "acks-1",
        "the leader alone acknowledges",
        (
            Edit(
                f"{_KAFKA}/clients.py",
                '        acks="all",\n        enable_idempotence=True,\n',
                "        acks=1,\n        enable_idempotence=False,\n",
            ),
        ),
        # Long enough for more than the one answer that each follower has asked for already.
        (Planned(0.5, "broker.solo", 0, 1.5),),
        # Keys are claimed on a partition whose leader may stand still.
        {"brokers": 3, "forms": ("single",), "keyed": 0.0},
    ),
    Mutant(
        "no-once-rule",
        "a result that processing wrote again is shown again",
        (
            Edit(
                f"{_CORE}/dedupe.py",
                "        if entry.height <= self.height:\n            return False\n",
                "",
            ),
            Edit(
                f"{_LIVE}/subscription.py",
                "result.entry.offset >= place.offset and result.entry.height > place.height",
                "result.entry.offset >= place.offset",
            ),
        ),
        _KILLS,
    ),
    Mutant(
        "commit-before-produce",
        "the input's offset is committed a second before the result is written",
        (
            Edit(
                f"{_PROCESSING}/pipeline.py",
                "    def _write(self, output: OutputRecord) -> None:\n",
                "    def _write(self, output: OutputRecord) -> None:\n"
                "        import time\n"
                "        held = self.__dict__.setdefault('_held', [])\n"
                "        held.append((time.monotonic() + 1.0, output))\n\n"
                "    def _write_now(self, output: OutputRecord) -> None:\n",
            ),
            Edit(
                f"{_PROCESSING}/pipeline.py",
                "        self.turns += 1\n",
                "        import time\n"
                "        held = self.__dict__.setdefault('_held', [])\n"
                "        while held and held[0][0] < time.monotonic():\n"
                "            self._write_now(held.pop(0)[1])\n"
                "        self.turns += 1\n",
            ),
        ),
        _KILLS,
    ),
    Mutant(
        "resume-skips-one",
        "a reader that comes back begins one result too late",
        (
            Edit(
                f"{_CORE}/reading.py",
                "            return self.seal.decode(stream.stream_id, start.cursor)\n",
                "            asked = self.seal.decode(stream.stream_id, start.cursor)\n"
                "            later = Position(asked.position.offset + 1, asked.position.height)\n"
                "            return replace(asked, position=later)\n",
            ),
        ),
    ),
    Mutant(
        "resume-repeats-one",
        "a reader that comes back begins one result too early",
        (
            Edit(
                f"{_CORE}/reading.py",
                "            return self.seal.decode(stream.stream_id, start.cursor)\n",
                "            asked = self.seal.decode(stream.stream_id, start.cursor)\n"
                "            earlier = Position(max(asked.position.offset - 1, 0), NOTHING_SEEN)\n"
                "            return replace(asked, position=earlier)\n",
            ),
        ),
    ),
    Mutant(
        "id-of-the-last",
        "a result's id is its own position, not the next one's",
        (
            Edit(
                f"{_CORE}/results.py",
                "        position = Position(entry.offset + 1, entry.height)\n",
                "        before = entry.height._replace(offset=entry.height.offset - 1)\n"
                "        position = Position(entry.offset, before)\n",
            ),
        ),
    ),
    Mutant(
        "swallowed-failure",
        "a record that cannot be processed gives a dead letter, and no result that says so",
        (
            Edit(
                f"{_PROCESSING}/handling.py",
                "            return [self._dead_letter(record, made), told]\n",
                "            return [self._dead_letter(record, made)]\n",
            ),
        ),
        options={"poison": 0.1},
    ),
    Mutant(
        "skip-on-error",
        "a record that cannot be processed is passed over",
        (
            Edit(
                f"{_PROCESSING}/handling.py",
                "        if isinstance(made, Failure):\n",
                "        if isinstance(made, Failure):\n            return []\n",
            ),
        ),
        options={"poison": 0.1},
    ),
    Mutant(
        "no-gap-told",
        "results that are gone are passed over in silence",
        (
            Edit(
                f"{_CORE}/reading.py",
                "        if reason is None:\n            return placed, None\n",
                "        if reason is None or reason:\n            return placed, None\n",
            ),
        ),
        (Planned(1.0, "trim", 0, 1.5),),
    ),
    Mutant(
        "hub-drops",
        "what a full queue has no room for is dropped, and its reader goes on",
        (
            Edit(
                f"{_LIVE}/partition.py",
                "                    self._fall_behind(subscription)\n",
                "                    continue\n",
            ),
        ),
        options={"size": 12_000, "rate": 160.0, "seconds": 8.0, "readers": ("sse1", "sloth")},
    ),
    Mutant(
        "splice-leaves-a-hole",
        "a reader goes live without what came between its position and the live end",
        (
            Edit(
                f"{_LIVE}/partition.py",
                "        for result in self.ring.of(subscription.stream_id, "
                "subscription.position_behind.offset):\n",
                "        for result in list(self.ring.of(subscription.stream_id))[:-1]:\n",
            ),
        ),
    ),
    Mutant(
        "cursor-of-any-stream",
        "a cursor is not bound to its stream",
        (
            Edit(
                f"{_CORE}/cursor.py",
                '        sealed = stream_id.encode() + b"\\0" + fields\n',
                "        sealed = fields\n",
            ),
        ),
    ),
    Mutant(
        "streams-of-any-tenant",
        "whoever has a key may use every stream",
        (
            Edit(
                f"{_CORE}/streams.py",
                "stream.tenant != tenant",
                "stream.tenant == ''",
            ),
        ),
    ),
    Mutant(
        "repeats-are-processed",
        "a record whose key its stream has had gives a second result",
        (
            Edit(
                f"{_PROCESSING}/repeats.py",
                "            return int(known) < record.offset\n",
                "            return False\n",
            ),
        ),
        # Claims go on; what they are for comes late, when another server has long stored it.
        (Planned(0.5, "link.hold.writes", 0, 8.5),),
        {"forms": ("single", "array"), "keyed": 1.0, "producers": 16},
    ),
    Mutant(
        "doubt-as-failure",
        "what may be stored is refused as certainly not stored",
        (
            Edit(
                f"{_KAFKA}/batch.py",
                "        return OutcomeUnknown() if self.may_be_stored else BrokerUnavailable()\n",
                "        return BrokerUnavailable()\n",
            ),
        ),
        _LOST_ANSWERS,
    ),
    Mutant(
        "one-result-expires",
        "a result that could not be delivered in time is given up, and the next one lands",
        (
            Edit(
                f"{_PROCESSING}/clients.py",
                '{"message.timeout.ms": 0, "enable.gapless.guarantee": True}',
                '{"message.timeout.ms": 1_000, "enable.gapless.guarantee": False}',
            ),
            Edit(
                f"{_PROCESSING}/pipeline.py",
                "        self._repeats = Repeats(",
                "        setattr(self._producer, '_raise_for_error', lambda: None)\n"
                "        self._repeats = Repeats(",
            ),
        ),
        # Input goes on coming, and its results go nowhere.
        (Planned(0.5, "link.hole.writes", 2, 3.0), Planned(0.7, "link.hole.writes", 3, 3.0)),
    ),
    Mutant(
        "reader-resets-to-latest",
        "where the live reader's position is gone it jumps to the end",
        (
            Edit(
                f"{_KAFKA}/clients.py",
                '        auto_offset_reset="none",\n',
                '        auto_offset_reset="latest",\n',
            ),
        ),
        # Not every time somebody stays who waits for what was written meanwhile.
        tuple(Planned(0.5 + 3.0 * n, "trim.frozen", n % 2, 1.0) for n in range(3)),
        {"readers": ("sse1", "sse2", "socket", "wanderer", "traveller")},
    ),
)
