// A refusal, from wherever it came, in the one form that the page shows: an RFC 9457 problem.

const MAX_SHOWN = 300;

/** Thrown by calls to the API; `problem` is what to show. */
export class Refusal extends Error {
  constructor(problem) {
    super(problem.title);
    this.problem = problem;
  }
}

/** The problem of an answer that is no success; anything that is not ours gets one made up. */
export async function problemOf(answer) {
  const text = await answer.text().catch(() => "");
  return parseProblem(text) ?? foreign(answer.status, text);
}

/** The problem in a JSON text, or null when it is none. */
export function parseProblem(text) {
  try {
    return asProblem(JSON.parse(text));
  } catch {
    return null;
  }
}

/** A value as a problem when it has the form of one, else null. */
export function asProblem(value) {
  if (typeof value !== "object" || value === null || typeof value.code !== "string") return null;
  return {
    code: value.code,
    title: String(value.title ?? value.code),
    detail: String(value.detail ?? ""),
    status: Number.isInteger(value.status) ? value.status : null,
    retriable: value.retriable === true,
    requestId: typeof value.request_id === "string" ? value.request_id : "",
  };
}

export const GOES_ON = "Is it running? `make run` starts it. This page goes on by itself.";
export const TRY_AGAIN = "Is it running? `make run` starts it. Then try again.";
export const MAYBE_STORED =
  "Whether it was stored is not known from here: look at the results before you send it again.";

/** The problem of a request that met no server; `detail` says what that means for the request. */
export function unreachable(error, detail) {
  const isLate = error?.name === "TimeoutError" || error?.name === "AbortError";
  return {
    code: null,
    title: isLate ? "The server does not answer" : "The server cannot be reached",
    detail,
    status: null,
    retriable: true,
    requestId: "",
  };
}

/** The problem of a stream of events that cannot be one of ours. */
export function unreadable() {
  return {
    code: null,
    title: "What came is no stream of results",
    detail: "An event larger than any result was on its way. Is this the address of Millrace?",
    status: null,
    retriable: false,
    requestId: "",
  };
}

/** The problem of a fault in this page itself. */
export function ownFault(error) {
  return {
    code: null,
    title: "This page failed; the server did not",
    detail: `Load it again. If that does not help, please report: ${error.message}`,
    status: null,
    retriable: false,
    requestId: "",
  };
}

function foreign(status, text) {
  const isPage = text.trimStart().startsWith("<");
  return {
    code: null,
    title: `Something answered ${status}, but not as Millrace does`,
    detail: isPage ? "A proxy may stand between." : text.slice(0, MAX_SHOWN),
    status,
    retriable: status >= 500,
    requestId: "",
  };
}
