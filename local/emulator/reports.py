"""What a function's log says of its invocations: the figures CloudWatch would show."""

import json
import statistics
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figures:
    """Milliseconds and megabytes of some invocations."""

    init: list[float]
    first: list[float]
    warm: list[float]
    peak_megabytes: int

    def quantile(self, hundredths: int) -> float:
        """Return a percentile of the warm calls."""
        return statistics.quantiles(self.warm, n=100, method="inclusive")[hundredths - 1]


def figures_of(log: Path) -> Figures:
    """Read the reports in a log; other lines are passed over."""
    found = Figures([], [], [], 0)
    peak = 0
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if '"platform.report"' not in line:
            continue
        metrics = json.loads(line)["record"]["metrics"]
        peak = max(peak, metrics["maxMemoryUsedMB"])
        if "initDurationMs" in metrics:
            found.init.append(metrics["initDurationMs"])
            found.first.append(metrics["durationMs"])
        else:
            found.warm.append(metrics["durationMs"])
    return Figures(found.init, found.first, found.warm, peak)
