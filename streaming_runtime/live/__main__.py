"""``python -m streaming_runtime.live``: the API as one long-running process."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Callable

from functions.results.routes import direct as direct_results
from functions.results.routes import router as results
from functions.send.routes import direct as direct_send
from functions.send.routes import router as send
from functions.start.routes import router as start
from functions.streams.routes import router as streams
from streaming_runtime.aws.environment import with_secrets
from streaming_runtime.core.audit import configure_audit
from streaming_runtime.core.clock import now_ms
from streaming_runtime.core.errors import BrokerUnavailable, ConfigurationInvalid, Overloaded
from streaming_runtime.core.logs import configure_logs
from streaming_runtime.core.settings import Settings
from streaming_runtime.core.streams import check_default
from streaming_runtime.core.vitals import VitalEnded
from streaming_runtime.live import runtime
from streaming_runtime.live.server import end_at_signals
from streaming_runtime.processing.catalog import Catalog

log = logging.getLogger("millrace.live")

FAILED = 1
ASKED_WRONGLY = 2


# Readers are many and live long: the collector's defaults would walk through all of them several
# times a second. What is made for one request is freed without it.
GC_THRESHOLDS = (20_000, 50, 100)


def main() -> int:
    """Serve until told to stop; 1 when it failed, 2 when its settings cannot be used."""
    try:
        settings, catalog = Settings.from_env(with_secrets(os.environ)), Catalog()
        check_default(catalog, settings.default_processor)
        keys = [key for _, key in settings.credentials.keys]
        configure_logs(settings.log_level, "api", keys)
        configure_audit(os.environ.get("AUDIT_LOG", ""), "api", keys)
        if settings.credentials.follows_from_keys:
            log.warning(
                "SIGNING_SECRET is not set: whoever knows every configured key can make tickets and"
                " cursors of any tenant; set it before there is a second one"
            )
        gc.set_threshold(*GC_THRESHOLDS)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            routers = [start, send, results, streams]
            direct = [direct_send, direct_results]
            elsewhere = _elsewhere(settings)
            runner.run(runtime.run(settings, routers, direct, catalog, elsewhere))
    except ConfigurationInvalid as problem:
        sys.stderr.write(f"{problem}\n")
        return ASKED_WRONGLY
    except (BrokerUnavailable, Overloaded) as problem:
        log.critical("cannot start", extra={"reason": str(problem)})
        return FAILED
    except VitalEnded:
        return FAILED  # Logged, with its cause, when it happened.
    return 0


def _elsewhere(settings: Settings) -> runtime.OpenKept | None:
    """Return what opens the table, None where streams and keys are kept in Kafka."""
    if settings.registry != "dynamodb":
        return None
    # Brings boto3, which takes longer to import than all else.
    from streaming_runtime.aws.table import kept_in_table  # noqa: PLC0415

    return lambda: kept_in_table(settings, now_ms)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's, which halves the cost of a small write; where it is missing, asyncio's."""
    try:
        import uvloop  # noqa: PLC0415 - it does not build on every system
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


if __name__ == "__main__":
    end_at_signals()
    sys.exit(main())
