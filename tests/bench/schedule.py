"""When each request is due, whatever the answers do: an open loop. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """A steady rate for some time, spread evenly over the streams.

    Units:  ``rate`` is records a second; a request carries ``batch`` of them, all of one stream.
    """

    rate: int
    seconds: float
    streams: int
    batch: int = 1

    @property
    def requests(self) -> int:
        return max(1, round(self.rate * self.seconds / self.batch))

    @property
    def records(self) -> int:
        return self.requests * self.batch

    def due_seconds(self, request: int) -> float:
        """Return when a request is due, counted from the start."""
        return request * self.batch / self.rate

    def due_requests(self, elapsed_seconds: float) -> int:
        """Return how many are due by now."""
        if elapsed_seconds < 0:
            return 0
        return min(self.requests, int(elapsed_seconds * self.rate / self.batch) + 1)

    def stream_of(self, request: int) -> int:
        """Return the number of the stream that a request sends to."""
        return request % self.streams
