"""What a measurement was asked for."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.wire import SMALLEST_RECORD_BYTES

FOLDER = Path(".local/bench")
RATES = (1000, 2000, 5000)
MOST_BATCH = 1000
PICTURES = (".svg", ".png")
KEY = "test-api-key"


@dataclass(frozen=True, slots=True)
class Options:
    """Units:  ``rates`` are records a second."""

    rates: tuple[int, ...]
    seconds: float
    warmup_seconds: float
    timeout_seconds: float
    readers: int
    connections: int
    batch: int
    record_bytes: int
    mode: str
    host: str
    port: int
    key: str
    pid: int | None
    rows: Path
    plot: Path
    product: tuple[str, ...]
    beside: str = ""
    rounds: int = 1

    @property
    def is_given(self) -> bool:
        """Say whether the product runs already and is not ours to start or stop."""
        return self.port != 0


def read(arguments: Sequence[str]) -> Options:
    """Read the command line.

    Raises:  SystemExit for what it does not understand.
    """
    parser = _parser()
    asked = parser.parse_args(arguments)
    host, port = "", 0
    if asked.url:
        url = urlsplit(asked.url)
        if url.scheme != "http" or not url.hostname or url.path not in ("", "/"):
            parser.error(f"--url {asked.url}: give it as http://HOST:PORT")
        host, port = url.hostname, url.port or 80
    if asked.batch > 1 and asked.mode == "websocket":
        parser.error("--batch needs --mode http: a frame carries one record")
    if asked.beside and asked.url:
        parser.error("--beside measures one after the other, so it starts both: leave out --url")
    if asked.product and asked.url:
        parser.error(f"{' '.join(asked.product)}: with --url the product is already running")
    return Options(
        rates=asked.rates,
        seconds=asked.seconds,
        warmup_seconds=asked.warmup,
        timeout_seconds=asked.timeout,
        readers=asked.readers,
        connections=asked.connections,
        batch=asked.batch,
        record_bytes=asked.bytes,
        mode=asked.mode,
        host=host,
        port=port,
        key=asked.key or os.environ.get("API_KEY") or KEY,
        pid=asked.pid,
        rows=asked.out,
        plot=asked.plot,
        product=tuple(asked.product),
        beside=asked.beside,
        rounds=asked.rounds,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure latency against rate on the whole product, and prove that nothing"
        " is lost, repeated or reordered. Exit code 1 when something is.",
        epilog="What follows -- goes to python -m local, as in: -- --partitions 24",
    )
    add = parser.add_argument
    add("--rates", type=_rates, default=RATES, metavar="N,N", help="records/s (1000,2000,5000)")
    add("--seconds", type=_positive, default=10.0, metavar="S", help="length of each run (10)")
    add("--warmup", type=_positive, default=2.0, metavar="S", help="before each run (2)")
    add("--timeout", type=_positive, default=60.0, metavar="S", help="most for a run (60)")
    add("--readers", type=_count, default=1000, metavar="N", help="streams, one reader each (1000)")
    add("--connections", type=_count, default=64, metavar="N", help="that send (64)")
    add("--batch", type=_batch, default=1, metavar="N", help="records a request (1)")
    add("--bytes", type=_size, default=100, metavar="N", help="of a record's data (100)")
    add("--mode", choices=("http", "websocket"), default="http", help="sends and SSE, or sockets")
    add("--url", default="", metavar="URL", help="of a product that runs already")
    add("--key", default="", metavar="KEY", help="its key (API_KEY, else the test key)")
    add("--pid", type=_count, metavar="N", help="its supervisor, to measure CPU and memory")
    add("--out", type=Path, default=FOLDER / "results.jsonl", metavar="FILE", help="gets the rows")
    add(
        "--plot",
        type=_picture,
        default=FOLDER / "latency.svg",
        metavar="FILE",
        help="an SVG or PNG",
    )
    add(
        "--beside",
        default="",
        metavar="COMMAND",
        help="measure a program of the same three endpoints in turn, and show ratios to it",
    )
    add("--rounds", type=_count, default=1, metavar="N", help="of all that, for medians (1)")
    add("product", nargs="*", help=argparse.SUPPRESS)
    return parser


def _rates(text: str) -> tuple[int, ...]:
    return tuple(_count(each) for each in text.split(","))


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _batch(text: str) -> int:
    if (number := _count(text)) > MOST_BATCH:
        raise argparse.ArgumentTypeError(f"{text} is more than the {MOST_BATCH} of one request")
    return number


def _size(text: str) -> int:
    if (number := int(text)) < SMALLEST_RECORD_BYTES:
        raise argparse.ArgumentTypeError(
            f"{text} is less than the {SMALLEST_RECORD_BYTES} it needs"
        )
    return number


def _picture(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in PICTURES:
        raise argparse.ArgumentTypeError(f"{text} does not end in {' or '.join(PICTURES)}")
    return path


def _positive(text: str) -> float:
    if not 0 < (number := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number
