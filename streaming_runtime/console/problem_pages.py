"""The page of each problem, and the list of them: HTML that needs no script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from http import HTTPStatus

from streaming_runtime.console.guidance import GUIDANCE, Guidance
from streaming_runtime.core.errors import StreamingError, every_error

# The answer to a fault of ours that has no name; it is no subclass, so no table of statuses has it.
INTERNAL = StreamingError
INTERNAL_STATUS = HTTPStatus.INTERNAL_SERVER_ERROR.value
# RFC 9110 renamed these two; Python follows in 3.13.
RENAMED = {413: "Content Too Large", 422: "Unprocessable Content"}

MARK = """<svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <circle cx="16" cy="13" r="5.6"/>
      <path d="M16 13V3.6M16 13V22.4M16 13H6.6M16 13H25.4M16 13 9.35 6.35M16 13 22.65 19.65M16 13 \
22.65 6.35M16 13 9.35 19.65"/>
      <path class="race" d="M4 27c3 0 3-2.2 6-2.2S13 27 16 27s3-2.2 6-2.2S25 27 28 27"/>
    </svg>"""

PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>{title} · Millrace</title>
  <link rel="icon" href="/console/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/console/base.css">
  <link rel="stylesheet" href="/console/reading.css">
</head>
<body>
  <header class="top">
    {mark}
    <p class="brand">Millrace <span>problems</span></p>
    <nav aria-label="Pages">
      <a href="/">Console</a>
      <a href="/docs">API</a>
      <a href="/problems"{current}>Problems</a>
    </nav>
  </header>
  <main class="reading">
{content}
  </main>
</body>
</html>
"""


def problem_page(code: str, status: int) -> bytes | None:
    """Return the page of one problem, None if there is no such code.

    Shape:  ``status`` is what HTTP answers with it, 0 where the caller knows of none.
    """
    error = next((error for error in _errors() if error.code == code), None)
    if error is None:
        return None
    guidance = GUIDANCE[code]
    content = [
        f"<p class='crumb'><a href='/problems'>All problems</a></p><h1>{escape(error.title)}</h1>",
        f"<p class='facts'><code>{escape(code)}</code> {_where(guidance, error, status)} "
        f"{_retry_badge(error)}</p>",
        "<h2>What it means</h2>",
        *_paragraphs(guidance.means),
        "<h2>What to do</h2>",
        *_paragraphs(guidance.act),
        "<h2>Does trying again help?</h2>",
        *_paragraphs((guidance.again,)),
    ]
    return _page(error.title, "\n".join(content), is_index=False)


def problems_index(statuses: Mapping[str, int]) -> bytes:
    """Return the list of all problems; ``statuses`` has what HTTP answers with each code."""
    rows = "\n".join(_row(error, statuses.get(error.code, 0)) for error in _errors())
    content = f"""<h1>Problems</h1>
<p>Whatever is refused is answered as <code>application/problem+json</code> (RFC 9457). Its
<code>code</code> is one of these and stays what it is; <code>retriable</code> says whether the same
request can succeed later; <code>request_id</code> finds it in the logs.</p>
<ul class="problems">
{rows}
</ul>"""
    return _page("Problems", content, is_index=True)


def _errors() -> Iterable[type[StreamingError]]:
    return [*every_error(), INTERNAL]


def _row(error: type[StreamingError], status: int) -> str:
    code = escape(error.code)
    return (
        f"<li><a href='/problems/{code}'><code>{code}</code></a> "
        f"<span class='title'>{escape(error.title)}</span> "
        f"<span class='badges'>{_where(GUIDANCE[error.code], error, status)} "
        f"{_retry_badge(error)}</span></li>"
    )


def _where(guidance: Guidance, error: type[StreamingError], status: int) -> str:
    if guidance.is_in_results:
        return "<span class='badge'>in a failed result</span>"
    known = status or (INTERNAL_STATUS if error is INTERNAL else 0)
    return f"<span class='badge'>{known} {_phrase(known)}</span>" if known else ""


def _phrase(status: int) -> str:
    try:
        return RENAMED.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return ""


def _retry_badge(error: type[StreamingError]) -> str:
    return "<span class='badge retry'>retriable</span>" if error.retriable else ""


def _paragraphs(texts: Iterable[str]) -> list[str]:
    return [f"<p>{_marked(text)}</p>" for text in texts]


def _marked(text: str) -> str:
    """Return text as HTML; what stands between backticks is code."""
    pieces = escape(text, quote=False).split("`")
    return "".join(f"<code>{piece}</code>" if i % 2 else piece for i, piece in enumerate(pieces))


def _page(title: str, content: str, *, is_index: bool) -> bytes:
    current = ' aria-current="page"' if is_index else ""
    return PAGE.format(title=escape(title), mark=MARK, current=current, content=content).encode()
