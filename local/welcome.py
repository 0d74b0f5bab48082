"""What is printed once everything is ready: three commands to paste, and where things are."""

from pathlib import Path


def welcome(url: str, key: str, metrics_url: str, logs: Path, seconds: float) -> str:
    """Return the text.

    The first command keeps the stream's id in a shell variable, so the others can be pasted as
    they are. ``-N`` shows each result as it arrives. An empty ``key`` is a configured one, which is
    never printed.
    """
    header = f"-H 'x-api-key: {key}'" if key else '-H "x-api-key: $API_KEY"'
    needed = "" if key else "\nexport API_KEY=...   # one of the configured keys"
    taken = r"""sed 's/.*"stream_id": *"\([^"]*\)".*/\1/'"""
    return f"""
Ready after {seconds:.1f} s. Start a stream, send into it, watch its results (Ctrl-C ends the last):
{needed}
STREAM=$(curl -sS -X POST "{url}/stream/start" {header} | {taken}); echo $STREAM
curl -sS -X POST "{url}/stream/$STREAM/send" {header} -d '{{"data": "sample data"}}'; echo
curl -sS -N "{url}/stream/$STREAM/results" {header}

  console  {url}/
  metrics  {metrics_url}
  logs     {logs}/
Ctrl-C stops everything.
"""
