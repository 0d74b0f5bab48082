"""Topics of each test's own."""

from __future__ import annotations

import pytest

from tests.processing.traffic import Traffic


@pytest.fixture
async def traffic(broker: str) -> Traffic:
    """Give topics that stand."""
    traffic = Traffic(broker)
    await traffic.make_topics()
    return traffic
