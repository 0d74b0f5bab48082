"""``python -m streaming_runtime.processing``: one of the processes that share the partitions."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping

from streaming_runtime.aws.environment import with_secrets
from streaming_runtime.core.clock import now_ms
from streaming_runtime.core.errors import ConfigurationInvalid, Overloaded
from streaming_runtime.core.logs import configure_logs
from streaming_runtime.core.settings import KafkaSettings, ProcessingSettings, log_level
from streaming_runtime.processing import clients
from streaming_runtime.processing.catalog import Catalog
from streaming_runtime.processing.handling import Destinations, Handling
from streaming_runtime.processing.lag import Lag
from streaming_runtime.processing.log_limit import limit_logs
from streaming_runtime.processing.metrics import Page, Tally, serve_metrics
from streaming_runtime.processing.pipeline import Parts, Pipeline
from streaming_runtime.processing.runner import Runner
from streaming_runtime.processing.state_folder import StateFolder
from streaming_runtime.processing.stopping import Stop
from streaming_runtime.processing.time_limit import TimeLimit
from streaming_runtime.processing.topics import TopicsMissing, await_topics
from streaming_runtime.processing.watchdog import Watchdog

log = logging.getLogger("millrace.processing")

FAILED = 1
ASKED_WRONGLY = 2


def main() -> int:
    """Process until told to stop; 1 when it failed, 2 when its settings cannot be used."""
    stop = Stop()
    stop.listen()
    try:
        configure_logs("INFO", "processing")
        return 0 if _process(with_secrets(os.environ), stop) else FAILED
    except ConfigurationInvalid as problem:
        log.critical("cannot start", extra={"reason": str(problem)})
        sys.stderr.write(f"{problem}\n")
        return ASKED_WRONGLY
    except (TopicsMissing, Overloaded) as problem:
        log.critical("cannot start", extra={"reason": str(problem)})
        return FAILED


def _process(environ: Mapping[str, str], stop: Stop) -> bool:
    kafka, processing = KafkaSettings.from_env(environ), ProcessingSettings.from_env(environ)
    configure_logs(log_level(environ), "processing")
    limit_logs()
    admin, tally = clients.admin(kafka), Tally()
    lag = Lag(admin, kafka.input_topic)
    parts = Parts(admin, lag, tally, stop, StateFolder(processing.state_dir), now_ms)
    port = serve_metrics(Page(tally, lag), processing.host, processing.prometheus_port)
    log.info("metrics are served", extra={"host": processing.host, "port": port})

    def make() -> Pipeline | None:
        topics = await_topics(admin, kafka, stop)
        if topics is None:
            return None
        handling = Handling(Destinations.of(kafka, topics), Catalog(), now_ms, limit)
        return Pipeline(kafka, processing, handling, parts, topics)

    watchdog, limit = Watchdog(stop), TimeLimit()
    watchdog.start()
    limit.start()
    try:
        return Runner(make, stop, watchdog, tally, parts.state.clear).run()
    finally:
        limit.close()
        watchdog.close()


if __name__ == "__main__":
    sys.exit(main())
