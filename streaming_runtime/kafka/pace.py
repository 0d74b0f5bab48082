"""When the next request may leave: at once after a silence, else at a distance from the last."""

from __future__ import annotations


class Pace:
    """Gathers what comes close together into common departures.

    A request costs Kafka and us as much as ten records in it. Under load each departure takes what
    has come since the one before; the first after a silence waits for nobody.

    Units:   seconds of any one clock.
    """

    __slots__ = ("_apart", "_departs")

    def __init__(self, apart: float) -> None:
        self._apart = apart
        self._departs = float("-inf")

    def wait(self, now: float) -> float:
        """Return how long what comes now waits for its departure."""
        if now > self._departs:
            self._departs = max(now, self._departs + self._apart)
        return self._departs - now
