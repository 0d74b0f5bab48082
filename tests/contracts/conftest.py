"""Topics of each test's own, for the adapters that need them."""

from tests.kafka.conftest import unmade

__all__ = ["unmade"]
