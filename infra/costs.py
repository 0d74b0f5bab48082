"""What a deployment costs a month, part by part: ``python infra/costs.py`` prints the tables.

A model, not a bill: list prices of one region, a mix of requests and sizes that are written down
here, no free tiers and no discounts. Change a figure here and look at what moves.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

PRICES_OF = (
    "November 2026, us-east-1, USD, as published on AWS' pages; check before relying on them"
)
HOURS = 730
SECONDS = HOURS * 3_600
MILLION, BILLION = 1e6, 1e9
UNBOUNDED = math.inf

# Price for one, up to how many in a month.
Tiers = Sequence[tuple[float, float]]
GATEWAY: Tiers = (
    (333e6, 3.50e-6),
    (1e9, 2.80e-6),
    (20e9, 2.38e-6),
    (UNBOUNDED, 1.51e-6),
)
LAMBDA_REQUEST = 0.20e-6
LAMBDA_GB_SECOND: Tiers = (
    (7.5e9, 1.33334e-5),
    (18.75e9, 1.20001e-5),
    (UNBOUNDED, 1.06667e-5),
)
TABLE_WRITE, TABLE_READ = 0.625e-6, 0.125e-6
FARGATE_CPU_HOUR, FARGATE_GB_HOUR = 0.03238, 0.00356
BALANCER_HOUR, BALANCER_UNIT_HOUR = 0.0225, 0.008
# An hour of a broker, by what it takes in with room to spare (MB/s of three such brokers).
BROKERS = (
    ("kafka.m7g.large", 0.204, 30),
    ("kafka.m7g.xlarge", 0.408, 60),
    ("kafka.m7g.2xlarge", 0.816, 120),
    ("kafka.m7g.4xlarge", 1.632, 240),
)
DISK_GB_MONTH = 0.10
LOG_GB, FIGURE_MONTH, ALARM_MONTH, DASHBOARD_MONTH = 0.50, 0.30, 0.10, 3.0
ENDPOINT_HOUR, ENDPOINT_GB = 0.01, 0.01
FIREWALL_MONTH, FIREWALL_REQUEST = 5.0 + 4.0, 0.60e-6
OUT_GB: Tiers = ((10e3, 0.09), (50e3, 0.085), (150e3, 0.07), (UNBOUNDED, 0.05))
KEY_MONTH, SECRET_MONTH = 1.0, 0.40

# What infra/ and template.yaml make, whatever the load.
ENDPOINTS, ENDPOINT_ZONES = 5, 2
FIGURES, ALARMS = 12 + 4 * 8, 20
SECRETS = 2


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of a deployment. Sizes are in bytes, durations in seconds."""

    per_second: float
    sends: float = 0.7
    reads: float = 0.29
    record_bytes: float = 1_000
    readers: float = 0.0
    memory_gb: float = 1.0
    send_seconds: float = 0.025
    read_seconds: float = 1.0
    kept_days: float = 7.0
    log_bytes: float = 300
    sends_a_task: float = 3_000
    readers_a_task: float = 5_000
    processed_a_task: float = 4_000

    @property
    def month(self) -> float:
        return self.per_second * SECONDS

    @property
    def records(self) -> float:
        """Records a second; each has one result, which one reader gets."""
        return self.per_second * self.sends


Lines = list[tuple[str, float, str]]


def through_functions(load: Load) -> Lines:
    """Return the parts when API Gateway and functions answer everything."""
    reads, sends = load.month * load.reads, load.month * load.sends
    rest = load.month - reads - sends
    seconds = reads * load.read_seconds + (sends + rest) * load.send_seconds
    return [
        ("API Gateway", tiered(load.month, GATEWAY), "requests; answer results from `live`"),
        ("Functions: requests", load.month * LAMBDA_REQUEST, "arrays: one request, many records"),
        (
            "Functions: time",
            tiered(seconds * load.memory_gb, LAMBDA_GB_SECOND),
            "MemorySize; how long results wait",
        ),
        ("Firewall", FIREWALL_MONTH + load.month * FIREWALL_REQUEST, "leave out infra/waf.yaml"),
        ("Table", load.month * (TABLE_READ + TABLE_WRITE), "RateLimitPerSecond 0: no write"),
        # A line of access log and one of figures for each request.
        ("Logs", _logs(2 * load.month, load), "LogRetentionDays; the access log"),
        *_shared(load),
    ]


def through_the_live_service(load: Load) -> Lines:
    """Return the parts when the load balancer and the live service answer everything."""
    tasks = max(2, math.ceil(load.records / load.sends_a_task))
    tasks = max(tasks, math.ceil(load.readers / load.readers_a_task))
    taken = load.records * load.record_bytes * 2 / BILLION * 3_600
    units = max(taken, load.readers / 3_000, load.per_second / 1_000)
    # Readers stay, so their requests are gone; what is left are sends and the rest.
    asked = load.month * (1 - load.reads)
    return [
        ("Live tasks", fargate(tasks, 1, 2), f"{tasks} of 1 vCPU; ReadersPerTask, Architecture"),
        (
            "Load balancer",
            HOURS * (BALANCER_HOUR + units * BALANCER_UNIT_HOUR),
            "bytes; compress nothing, send less",
        ),
        ("Firewall", FIREWALL_MONTH + asked * FIREWALL_REQUEST, "leave out infra/waf.yaml"),
        ("Table", asked * TABLE_READ, "STREAM_REGISTRY kafka: none"),
        # What succeeds is counted and not logged: say one in a hundred is refused.
        ("Logs", _logs(asked / 100, load), "LOG_LEVEL WARNING"),
        *_shared(load),
    ]


def _shared(load: Load) -> Lines:
    """Return the parts that both ways need."""
    processing = max(2, math.ceil(load.records / load.processed_a_task))
    kind, brokers, sets = _brokers(load)
    # Input and results, three copies of each.
    stored = load.records * load.record_bytes * 2 * 3 * load.kept_days * 86_400 / BILLION
    out = load.records * load.record_bytes * SECONDS / BILLION
    return [
        ("Processing tasks", fargate(processing, 1, 2), f"{processing} of 1 vCPU; MostTasks"),
        ("Kafka: brokers", brokers, f"{3 * sets} of {kind}; an existing cluster: none"),
        ("Kafka: disk", stored * DISK_GB_MONTH, f"{stored / 1e3:,.1f} TB; retention, record size"),
        ("Data out", tiered(out, OUT_GB), "bytes of results; `jmespath` to send less"),
        ("Figures and alarms", FIGURES * FIGURE_MONTH + ALARMS * ALARM_MONTH + DASHBOARD_MONTH, ""),
        (
            "Endpoints, key, secrets",
            ENDPOINTS * ENDPOINT_ZONES * ENDPOINT_HOUR * HOURS
            + load.month * load.log_bytes / BILLION * ENDPOINT_GB
            + KEY_MONTH
            + SECRETS * SECRET_MONTH,
            "each zone of an endpoint is paid by the hour",
        ),
    ]


def _brokers(load: Load) -> tuple[str, float, int]:
    """Return the smallest brokers that take what is written, or several sets of the largest."""
    written = load.records * load.record_bytes * 2 / MILLION
    for kind, hour, takes in BROKERS:
        if written <= takes:
            return kind, 3 * hour * HOURS, 1
    kind, hour, takes = BROKERS[-1]
    sets = math.ceil(written / takes)
    return kind, sets * 3 * hour * HOURS, sets


def _logs(lines: float, load: Load) -> float:
    return lines * load.log_bytes / BILLION * LOG_GB


def fargate(tasks: int, cpus: int, gigabytes: int) -> float:
    return tasks * HOURS * (cpus * FARGATE_CPU_HOUR + gigabytes * FARGATE_GB_HOUR)


def tiered(count: float, tiers: Tiers) -> float:
    """Return the price of so many, where each more costs what its tier says."""
    cost, before = 0.0, 0.0
    for upto, price in tiers:
        cost += max(0.0, min(count, upto) - before) * price
        before = upto
    return cost


LOADS = (100.0, 5_000.0, 100_000.0)
WAYS = (
    ("API Gateway and functions", through_functions),
    ("Load balancer and live service", through_the_live_service),
)
KNOBS: tuple[tuple[str, dict[str, float]], ...] = (
    ("as above", {}),
    ("results wait 5 s on average, not 1", {"read_seconds": 5.0}),
    ("functions of 512 MB", {"memory_gb": 0.5, "send_seconds": 0.035}),
    ("records of 10 KB", {"record_bytes": 10_000.0}),
    ("results kept for 1 day", {"kept_days": 1.0}),
)


def tables() -> str:
    """Return the tables of docs/costs.md."""
    rows = [f"Prices: {PRICES_OF}.", ""]
    rates = [f"{rate:,.0f}/s" for rate in LOADS]
    for title, way in WAYS:
        columns = [way(Load(rate, readers=rate)) for rate in LOADS]
        rows += [f"### {title}", "", _row("a month, USD", *rates, "knob, as at 5,000/s")]
        rows.append("|---|---:|---:|---:|---|")
        for lines in zip(*columns, strict=True):
            rows.append(_row(lines[0][0], *(_money(line[1]) for line in lines), lines[1][2]))
        rows += [_row("**all**", *(f"**{_money(_all(one))}**" for one in columns), ""), ""]
    rows += ["### One knob at a time, at 5,000/s", "", _row("a month, USD", *(w for w, _ in WAYS))]
    rows.append("|---|---:|---:|")
    for words, changes in KNOBS:
        load = replace(Load(5_000.0, readers=5_000.0), **changes)
        rows.append(_row(words, *(_money(_all(way(load))) for _, way in WAYS)))
    return "\n".join(rows) + "\n"


def _all(lines: Lines) -> float:
    return sum(cost for _, cost, _ in lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _money(dollars: float) -> str:
    return f"{dollars:,.0f}"


if __name__ == "__main__":
    sys.stdout.write(tables())
