import asyncio

import pytest

from streaming_runtime.core.vitals import Vitals


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def _broken() -> None:
    raise LookupError("lost")


async def _done() -> None:
    pass


async def test_a_task_that_breaks_is_told_with_its_cause() -> None:
    vitals = Vitals()
    vitals.start("pump", _for_ever())
    vitals.start("clock", _broken())

    failure = await asyncio.wait_for(vitals.ended(), 5)

    assert str(failure) == "clock ended"
    assert isinstance(failure.__cause__, LookupError)
    assert vitals.failure is failure
    await vitals.close(5)


async def test_a_task_that_just_returns_is_a_failure_too() -> None:
    vitals = Vitals()
    vitals.start("clock", _done())

    failure = await asyncio.wait_for(vitals.ended(), 5)

    assert str(failure) == "clock ended"
    assert failure.__cause__ is None
    await vitals.close(5)


async def test_only_the_first_is_told() -> None:
    vitals = Vitals()
    vitals.start("first", _done())
    failure = await asyncio.wait_for(vitals.ended(), 5)
    vitals.start("second", _broken())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert vitals.failure is failure
    await vitals.close(5)


async def test_while_all_live_there_is_no_failure() -> None:
    vitals = Vitals()
    vitals.start("pump", _for_ever())

    assert vitals.failure is None
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(vitals.ended(), 0)
    assert vitals.failure is None
    await vitals.close(5)


async def test_closing_ends_all_latest_first_and_waits_for_them() -> None:
    ended: list[str] = []

    async def noted(name: str) -> None:
        try:
            await _for_ever()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    vitals = Vitals()
    for name in ("first", "second"):
        vitals.start(name, noted(name))
    await asyncio.sleep(0)

    await vitals.close(5)

    assert ended == ["second", "first"]


async def test_closing_nothing_is_no_work() -> None:
    await Vitals().close(5)
