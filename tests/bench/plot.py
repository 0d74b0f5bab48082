"""Latency against rate as a picture."""

from collections.abc import Sequence
from pathlib import Path

from tests.bench.outcome import Outcome

_LINES = (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9"))


def draw(outcomes: Sequence[Outcome], title: str, path: Path) -> None:
    """Write the picture; the end of the path's name says in which format.

    Raises:  ImportError where matplotlib is missing, ValueError for a format it does not know.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter

    # The same figures give the same bytes, so that a picture in the repository changes with them.
    mpl.rcParams["svg.hashsalt"] = "millrace"
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for what, style in (("delivery", "-"), ("ack", "--")):
        for (name, shown), colour in zip(_LINES, ("C0", "C1", "C3"), strict=True):
            points = [
                (outcome.rate, milliseconds)
                for outcome in outcomes
                if (milliseconds := getattr(getattr(outcome, what), name)) is not None
            ]
            label = f"{'end to end' if what == 'delivery' else 'acknowledged'} {shown}"
            rates, milliseconds = zip(*points, strict=True) if points else ((), ())
            axes.plot(rates, milliseconds, style, color=colour, marker=".", label=label)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(LogFormatter())  # Plain numbers, not powers of ten.
    axes.yaxis.set_minor_formatter(LogFormatter())
    axes.set_xticks([outcome.rate for outcome in outcomes])
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("records sent a second, on schedule")
    axes.set_ylabel("milliseconds from the due moment")
    figure.suptitle(title, fontsize=10)
    axes.grid(visible=True, which="both", alpha=0.25)
    figure.legend(loc="outside right center", fontsize=8, handlelength=4)
    path.parent.mkdir(parents=True, exist_ok=True)
    is_svg = path.suffix.lower() == ".svg"
    figure.savefig(path, metadata={"Date": None} if is_svg else None)
