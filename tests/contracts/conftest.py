"""Topics of each test's own, as the tests of the Kafka library have them."""

from tests.kafka.conftest import settings, unmade

__all__ = ["settings", "unmade"]
