"""Producers: numbered records in every form, retried under their key until their fate is known."""

from __future__ import annotations

import asyncio
from collections.abc import Set
from dataclasses import dataclass

from tests.history import events
from tests.history.sending import Batch, Form, Outcome, Sender
from tests.history.world import Target, World, data_of, sum_of

FORMS: tuple[Form, ...] = ("single", "array", "lines", "socket")
WEIGHTS = (40, 25, 15, 20)
MOST_TOGETHER = 300
# Without a key a doubtful record stays what it is: at most once.
KEYED_SHARE = 0.85
UNHEARD_SHARE = 0.08
AGAIN_SHARE = 0.12
# What was certainly not stored is sent again as often as it is given up.
GIVEN_UP_SHARE = 0.5
PAUSE_SECONDS = (0.05, 0.4)


@dataclass
class Habits:
    """What producers do; shared, so that it can change while they run."""

    rate: float
    retries: bool = True
    forms: tuple[Form, ...] = FORMS
    keyed: float = KEYED_SHARE
    poison: float = 0.0
    size: int = 0


class Producer:
    """Sends its numbers into one stream, one request at a time.

    So whatever it sends later was sent after the answer to what came before.
    """

    def __init__(self, world: World, name: str, target: Target, habits: Habits) -> None:
        self._world = world
        self._name = name
        self._target = target
        self._habits = habits
        self._random = world.random(name)
        self._sender = Sender(target)
        self._sent = 0
        self._began = world.now
        self._is_told = False
        self.is_done = False

    def tell(self) -> None:
        """Have it stop once the fate of what is under way is known."""
        self._is_told = True

    async def run(self) -> None:
        try:
            while not self._is_told:
                await self._pace()
                await self._deliver(self._next())
            self.is_done = True
        finally:
            await self._sender.close()

    async def _pace(self) -> None:
        ahead = self._sent / self._habits.rate - (self._world.now - self._began)
        if ahead > 0:
            await asyncio.sleep(min(ahead, 1.0))

    def _next(self) -> Batch:
        if self._target.can_fail and self._random.random() < self._habits.poison:
            return self._poison()
        behind = int((self._world.now - self._began) * self._habits.rate) - self._sent
        forms = self._habits.forms
        form = self._random.choices(FORMS, WEIGHTS)[0]
        if form not in forms or (behind > 20 and form == "single"):
            form = self._random.choice([f for f in forms if f != "single"] or list(forms))
        count = 1
        if form != "single":
            count = max(self._random.randint(2, 20), min(behind, MOST_TOGETHER))
        names = [f"{self._name}.{self._sent + number}" for number in range(count)]
        self._sent += count
        has_key = form in ("single", "array") and self._random.random() < self._habits.keyed
        key = f"{names[0]}-{self._random.getrandbits(64):016x}" if has_key else None
        return Batch(form, names, [data_of(name, self._size(count)) for name in names], key)

    def _poison(self) -> Batch:
        """Return a record that its stream's processor cannot take.

        Its result does not say which record it was, so that the receipt must: there is no retry.
        """
        name = f"{self._name}.{self._sent}"
        self._sent += 1
        return Batch("single", [name], [[name]], None)

    def _size(self, together: int) -> int:
        if together < 20 and self._random.random() < 0.01:
            return self._random.choice((2_000, 20_000))
        return self._habits.size + self._random.randint(0, 60)

    async def _deliver(self, batch: Batch) -> None:
        """Send until every record's fate is known, or nothing more may be tried."""
        may_retry = batch.key is not None and self._habits.retries
        is_unheard = may_retry and self._random.random() < UNHEARD_SHARE
        door = self._door()
        while True:
            outcomes = await self._attempt(batch, door, is_unheard)
            kinds = {outcome.kind for outcome in outcomes}
            if not may_retry or self._is_settled(kinds):
                break
            is_unheard = False
            await asyncio.sleep(self._random.uniform(*PAUSE_SECONDS))
            door = self._door(door)
        if "fail" in kinds or "info" in kinds:
            await asyncio.sleep(self._random.uniform(*PAUSE_SECONDS))
        elif may_retry and self._random.random() < AGAIN_SHARE:
            await self._attempt(batch, self._door(door), is_unheard=False)

    def _is_settled(self, kinds: Set[str]) -> bool:
        if kinds == {"fail"}:
            return self._random.random() < GIVEN_UP_SHARE
        return "info" not in kinds

    async def _attempt(self, batch: Batch, door: int, is_unheard: bool) -> list[Outcome]:
        op = self._note_invoke(batch, door)
        port = self._world.doors[door]
        if is_unheard:
            seconds = self._random.uniform(0, 0.03)
            outcomes = await self._sender.send_unheard(batch, port, seconds)
        else:
            outcomes = await self._sender.send(batch, port)
        self._note_outcomes(op, batch, outcomes)
        return outcomes

    def _door(self, other_than: int | None = None) -> int:
        doors = [d for d in range(len(self._world.doors)) if d != other_than]
        return self._random.choice(doors or [0])

    def _note_invoke(self, batch: Batch, door: int) -> int:
        op = self._world.next_op()
        self._world.note(
            events.Invoke(
                t=self._world.now,
                op=op,
                producer=self._name,
                stream=self._target.label,
                names=batch.names,
                sums=[sum_of(text) for text in batch.data],
                poison=not isinstance(batch.data[0], str),
                key=batch.key,
                form=batch.form,
                via=door,
            )
        )
        return op

    def _note_outcomes(self, op: int, batch: Batch, outcomes: list[Outcome]) -> None:
        """Write down one line for each kind of outcome, and for each thing that was said."""
        now, told = self._world.now, dict[tuple[str, str, bool], list[int]]()
        for number, outcome in enumerate(outcomes):
            said = "" if outcome.kind == "ok" else outcome.said
            told.setdefault((outcome.kind, said, outcome.is_replayed), []).append(number)
        for (kind, said, is_replayed), numbers in told.items():
            names = [batch.names[number] for number in numbers]
            if kind == "ok":
                records = [outcomes[number].said for number in numbers]
                self._world.note(
                    events.Ok(t=now, op=op, names=names, records=records, replayed=is_replayed)
                )
                # The result of poison has no name: its source is what it is known by.
                is_poison = not isinstance(batch.data[0], str)
                self._world.has_acknowledged(self._target.label, records if is_poison else names)
            elif kind == "fail":
                self._world.note(events.Fail(t=now, op=op, names=names, code=said))
            else:
                self._world.note(events.Info(t=now, op=op, names=names, why=said))
