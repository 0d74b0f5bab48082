// What an EventSource or a WebSocket hears, told in one form: run by Node and within a page alike,
// so no module. `tell` takes {name, id, data}, {opened: true} and {closed: code} or {waits: code}.

const NAMES = [
  "message",
  "failed",
  "end",
  "gap",
  "slow",
  "reconnect",
  "credential-expiring",
  "error",
];
const FINAL = [1000, 4400, 4401, 4403, 4404];
const PAUSE_MS = 10;

function followEvents(source, tell) {
  source.addEventListener("open", () => tell({ opened: true }));
  for (const name of NAMES) {
    source.addEventListener(name, (event) => {
      // The server's own `event: error` has data; the client's, of a lost connection, has none.
      if (event.data !== undefined) {
        tell({ name, id: event.lastEventId, data: event.data });
      } else {
        const code = event.code ?? null;
        tell(source.readyState === source.CLOSED ? { closed: code } : { waits: code });
      }
    });
  }
  return () => source.close();
}

function followFrames(address, tell) {
  let at = null;
  let socket = null;
  let isOver = false;

  function connect() {
    const place = new URL(address);
    if (at !== null) {
      place.searchParams.delete("from");
      place.searchParams.set("cursor", at);
    }
    place.protocol = place.protocol.replace("http", "ws");
    socket = new WebSocket(place);
    socket.onopen = () => tell({ opened: true });
    socket.onmessage = (event) => {
      const { type, id, cursor } = JSON.parse(event.data);
      at = id ?? cursor ?? at;
      tell({ name: type, id: id ?? "", data: event.data });
    };
    socket.onclose = (event) => {
      const isFinal = isOver || FINAL.includes(event.code);
      tell(isFinal ? { closed: event.code } : { waits: event.code });
      if (!isFinal) setTimeout(connect, PAUSE_MS);
    };
  }

  connect();
  return () => {
    isOver = true;
    socket.close();
  };
}
