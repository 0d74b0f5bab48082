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
            axes.plot(rates, milliseconds, style, color=colour, marker="o", label=label)
    axes.set_yscale("log")
    axes.set_xlabel("records sent a second, on schedule")
    axes.set_ylabel("milliseconds from the due moment")
    axes.set_title(title, fontsize=10)
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    is_svg = path.suffix.lower() == ".svg"
    figure.savefig(path, metadata={"Date": None} if is_svg else None)
