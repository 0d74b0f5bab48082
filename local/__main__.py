"""``python -m local``: what ``make run`` starts."""

import signal
import sys


def main() -> int:
    # Until there is something to stop, Ctrl-C ends this without a word: importing takes a moment.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from local import command  # noqa: PLC0415

    return command.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
