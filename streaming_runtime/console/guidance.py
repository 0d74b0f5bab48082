"""What each problem means and what to do about it, in words for people.

Shape:  what stands between backticks is shown as code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guidance:
    """The text of one problem's page: what it means, what to do, whether trying again helps."""

    means: tuple[str, ...]
    act: tuple[str, ...]
    again: str
    is_in_results: bool = False


_SAME_AGAIN = "No: the same request gets the same answer. Change it first."

GUIDANCE: Mapping[str, Guidance] = {
    "invalid-body": Guidance(
        means=(
            "The body was read, but it is not what this route takes: no valid JSON, a field that "
            "does not exist, a value of the wrong type, a processor or a parameter that the server "
            "does not know, text that is not UTF-8, `NaN` or `Infinity`, half of a surrogate pair, "
            "or brackets nested deeper than 100.",
        ),
        act=(
            'Read `detail`: it names the field. A send takes `{"data": …}` with any JSON in it; a '
            "start takes `processor`, `label` and `ttl_seconds`, each of them optional, and an "
            "empty body means all defaults.",
            "A batch answers 207 and names the faulty records one by one; the others are stored.",
        ),
        again=_SAME_AGAIN,
    ),
    "invalid-cursor": Guidance(
        means=(
            "`Last-Event-ID` or `?cursor=` holds something that is no position of this stream: it "
            "was cut or changed on the way, or belongs to another stream or another deployment.",
        ),
        act=(
            "Give a cursor back exactly as it came: the `id` of a result, or `cursor` of a page. "
            "It is opaque, so it cannot be computed or edited.",
            "Without one, begin with `?from=start`, `?from=now`, `?since=` or `?tail=`. After the "
            "server's signing secret has changed, every reader has to begin anew.",
        ),
        again=_SAME_AGAIN,
    ),
    "invalid-parameter": Guidance(
        means=(
            "A query parameter or a header has a value that cannot be used: a number outside its "
            "range, a time without an offset, two positions at once, or the token of another list.",
        ),
        act=(
            "Read `detail`: it names the parameter. Only one of `cursor`, `from`, `since` and "
            "`tail` may be given. `since` is RFC 3339 with its offset, such as "
            "`2026-01-31T12:00:00Z`, and a `+` in it must be written `%2B`.",
        ),
        again=_SAME_AGAIN,
    ),
    "unauthorized": Guidance(
        means=(
            "The request carries no credential, or one that the server does not accept: a key that "
            "is unknown, expired or withdrawn, or a token it cannot verify.",
        ),
        act=(
            "Send the key as `x-api-key: KEY`, or a token as `Authorization: Bearer TOKEN`. Under "
            "`make run`, without a key of your own, the key is `test-api-key`.",
            "If it worked before, the key may have been rotated: ask whoever gave it to you.",
        ),
        again="No, not with the same credential.",
    ),
    "forbidden": Guidance(
        means=("The credential is good, but it was not made for this: it lacks the scope.",),
        act=(
            "Use a credential with the scope that the route needs: `start`, `send`, `read` or "
            "`admin`. Whoever runs the server can make one.",
        ),
        again="No, not with the same credential.",
    ),
    "unknown-stream": Guidance(
        means=(
            "No stream of yours has this id. A stream of somebody else looks the same as one that "
            "never was, so that nobody can find out which ids exist.",
        ),
        act=(
            "Compare the id with `stream_id` in the answer to the start; `GET /streams` lists "
            "those of your credential. A stream belongs to the tenant that started it: is this the "
            "right key, and the right server?",
        ),
        again="No: start a stream, or use the id of one of yours.",
    ),
    "not-found": Guidance(
        means=("The server has nothing at this path.",),
        act=("Compare the path with the routes on the page of the API, `/docs`.",),
        again=_SAME_AGAIN,
    ),
    "method-not-allowed": Guidance(
        means=("There is something at this path, but not for this method.",),
        act=(
            "The header `Allow` of the answer names the methods that work. Streams are started, "
            "sent to and ended with `POST`, and everything that only reads is a `GET`.",
        ),
        again=_SAME_AGAIN,
    ),
    "not-acceptable": Guidance(
        means=("`Accept` asks for forms of the answer that this route does not have.",),
        act=(
            "Results come as `text/event-stream`, `application/x-ndjson` or `application/json`; "
            "everything else as `application/json`. Leave `Accept` out, or send `*/*`, for the "
            "usual form.",
        ),
        again=_SAME_AGAIN,
    ),
    "request-timeout": Guidance(
        means=(
            "The request did not arrive in time: its head takes at most 10 s, its body at most "
            "15 s or has to come at 1 KiB/s. Nothing of it was stored, and the connection is "
            "closed.",
        ),
        act=(
            "Send it again on a new connection. If it happens often, look at the network between, "
            "and make batches smaller.",
        ),
        again="Yes.",
    ),
    "stream-ended": Guidance(
        means=(
            "The stream was ended, by a call or because its `ttl_seconds` were over. It takes no "
            "more records; its results stay readable for as long as Kafka keeps them.",
        ),
        act=("Start a new stream and send there.",),
        again="No: a stream that has ended stays ended.",
    ),
    "idempotency-in-progress": Guidance(
        means=("A request with the same `Idempotency-Key` is under way at this moment.",),
        act=(
            "Wait for its answer, or ask again a moment later with the same key and the same body: "
            "then you get its receipt.",
        ),
        again="Yes, after a short while, with the same key.",
    ),
    "idempotency-mismatch": Guidance(
        means=(
            "This `Idempotency-Key` was used for this stream within the last 24 hours, with "
            "another body. Repeating a request is one thing, sending another under its name a "
            "different one.",
        ),
        act=("Give every record, or every batch, a key of its own; a random UUID will do.",),
        again="No: use another key.",
    ),
    "position-gone": Guidance(
        means=(
            "The results at this position exist no more: Kafka has removed them by its retention, "
            "or the topics were made anew.",
            "On the endless forms of results this is not a refusal but one `gap` event, after "
            "which everything that still exists follows.",
        ),
        act=(
            "Read on at `earliest`, the cursor of the first result that still exists. What is "
            "between is lost to this reader: if that matters, keep results longer in Kafka, or "
            "read more often.",
        ),
        again="No: the position will not come back.",
    ),
    "record-too-large": Guidance(
        means=(
            "A record's `data` has more than 256 KiB of JSON. It was not stored. In a batch, or "
            "among lines, this concerns that record only.",
        ),
        act=(
            "Split it, or store the large part elsewhere and send where it is. White space between "
            "tokens counts too.",
        ),
        again=_SAME_AGAIN,
    ),
    "batch-too-large": Guidance(
        means=("An array of records has more than 1,000 of them, or more than 1 MiB in all.",),
        act=(
            "Send several smaller batches, or one body of `application/x-ndjson`: a record a line, "
            "to any length, answered line by line.",
        ),
        again=_SAME_AGAIN,
    ),
    "head-too-large": Guidance(
        means=(
            "The request line and headers have more than 16 KiB, or there are more than 64 "
            "headers. The connection is closed.",
        ),
        act=(
            "Look for what grew: cookies and tokens are the usual cause. A cursor has at most 128 "
            "bytes.",
        ),
        again=_SAME_AGAIN,
    ),
    "rate-limited": Guidance(
        means=(
            "The limit of your tenant is used up for now: of its requests, or of its open readers. "
            "All its keys share it. Nothing of the request was done.",
            "With `Accept: text/event-stream` this comes as a 200 with an `error` event, because "
            "a browser's EventSource gives up for good on any other status; `?strict=1` asks for "
            "the true one.",
        ),
        act=(
            "Wait for the seconds of `Retry-After`: a request after them is admitted. "
            "`RateLimit` says on every answer how much is left, so that you can slow down before.",
            "Send many records in one batch, or in one body of lines.",
        ),
        again="Yes, after `Retry-After`.",
    ),
    "broker-unavailable": Guidance(
        means=(
            "Kafka cannot take the record at this moment. It was certainly not stored, so sending "
            "it again cannot make a second one.",
        ),
        act=(
            "Wait for `Retry-After`, then send it again. If it goes on, `GET /health/ready` says "
            "which part is not well, and the server's log why.",
        ),
        again="Yes, after `Retry-After`: nothing was stored.",
    ),
    "outcome-unknown": Guidance(
        means=(
            "Kafka did not answer in time. The record may be stored or not; nobody can tell until "
            "Kafka answers again.",
        ),
        act=(
            "Send it again with the same `Idempotency-Key` and the same body: then it gives one "
            "result, whichever of the two was stored. Without a key a second sending may give a "
            "second result; look into the results first.",
        ),
        again="Yes, after `Retry-After`, with the same `Idempotency-Key`.",
    ),
    "overloaded": Guidance(
        means=(
            "The server has as much under way as it can hold. The record was certainly not stored.",
        ),
        act=(
            "Wait for `Retry-After` and send it again, less at once. If it goes on, more servers "
            "are needed: any number of them can stand side by side.",
        ),
        again="Yes, after `Retry-After`: nothing was stored.",
    ),
    "processing-failed": Guidance(
        means=(
            "The record was stored, but its processor could not make a result of it, or was told "
            "to reject it. It stands as `error` in a result of kind `failed`, in its place among "
            "the stream's results, and the records after it go on.",
        ),
        act=(
            "Read `detail` in the result: it says what the processor objected to. What failed in "
            "earnest, after three tries, is kept untouched in the dead-letter topic; what `reject` "
            "turned away is not.",
            "Correct the record, and send it as a new one.",
        ),
        again="No: the record itself has to change.",
        is_in_results=True,
    ),
    "internal": Guidance(
        means=(
            "Something failed that should not have, and it is our fault. The server's log has it, "
            "with the `request_id` of the answer.",
        ),
        act=(
            "Give that `request_id` to whoever runs the server. If it was a send, the record may "
            "be stored or not; the stream's results show which.",
        ),
        again="Perhaps; with an `Idempotency-Key` a second sending can do no harm.",
    ),
}
