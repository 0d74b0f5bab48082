// What the page does, as commands to paste.

/** Text as one word of a POSIX shell. */
export function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * The commands for a stream that may not be there yet.
 *
 * Shape: [{name, command}, …]; without `key` they take it from $API_KEY.
 */
export function commands({ origin, streamId, startBody, json, key }) {
  const header = key ? `-H ${quoted(`x-api-key: ${key}`)}` : '-H "x-api-key: $API_KEY"';
  const stream = `${origin}/stream/${streamId ?? "STREAM_ID"}`;
  const body = Object.keys(startBody).length > 0 ? ` \\\n  -d ${quoted(JSON.stringify(startBody))}` : "";
  return [
    { name: "Start", command: `curl -X POST ${origin}/stream/start ${header}${body}` },
    {
      name: "Send",
      command: `curl -X POST ${stream}/send ${header} \\\n  -d ${quoted(`{"data": ${json}}`)}`,
    },
    { name: "Watch", command: `curl -N ${stream}/results ${header}` },
    { name: "End", command: `curl -X POST ${stream}/end ${header}` },
  ];
}
