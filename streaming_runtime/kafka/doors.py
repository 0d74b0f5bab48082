"""Partitions that Kafka takes nothing for at present: refused at the door, and tried by one."""

from __future__ import annotations

from streaming_runtime.kafka.batch import Place

# A replica that restarts is back before: what comes meanwhile waits and is stored.
PATIENCE_SECONDS = 1.0
PROBE_SECONDS = 0.25
# A broker that stands still for a moment costs one deadline; two in a row are an outage.
MOST_TIMEOUTS = 1


class Door:
    """One partition in trouble."""

    __slots__ = ("is_shut", "refused_since", "timeouts", "tried_at")

    def __init__(self) -> None:
        self.is_shut = False
        self.refused_since: float | None = None
        self.timeouts = 0
        self.tried_at = float("-inf")


class Doors:
    """Which partitions are shut, from what becomes of the records that are sent to them.

    A shut partition lets one record through every PROBE_SECONDS. It is a send like any other, and
    opens the door for all when it is stored: so nothing is written that no client has sent, and
    recovery costs no traffic of its own.

    Units:   seconds of any one clock.
    """

    def __init__(self) -> None:
        self._troubled: dict[Place, Door] = {}

    def admits(self, place: Place, now: float) -> bool:
        """Return whether a record may be sent there now."""
        door = self._troubled.get(place)
        if door is None or not door.is_shut:
            return True
        if now - door.tried_at < PROBE_SECONDS:
            return False
        door.tried_at = now
        return True

    def is_patient(self, place: Place, now: float) -> bool:
        """Take a refusal for want of replicas; return whether to send the same again."""
        door = self._of(place)
        if door.refused_since is None:
            door.refused_since = now
        if now - door.refused_since >= PATIENCE_SECONDS:
            door.is_shut = True
        return not door.is_shut

    def time_out(self, place: Place) -> None:
        """Take a deadline that passed without an answer."""
        door = self._of(place)
        door.timeouts += 1
        if door.timeouts > MOST_TIMEOUTS:
            door.is_shut = True

    def shut(self, place: Place) -> None:
        """Take that it has no leader."""
        self._of(place).is_shut = True

    def open(self, place: Place) -> None:
        """Take that something was stored there."""
        if self._troubled:
            self._troubled.pop(place, None)

    def _of(self, place: Place) -> Door:
        return self._troubled.setdefault(place, Door())
