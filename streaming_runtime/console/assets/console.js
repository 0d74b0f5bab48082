// The console page: a key, a stream, records into it, results out of it.

import { announce } from "./announce.js";
import { ConnectionLine } from "./connection-line.js";
import { copyButton } from "./copy.js";
import { CurlPanel } from "./curl-panel.js";
import { byId, problemNote } from "./dom.js";
import { Following } from "./follow.js";
import { KeyPanel } from "./key-panel.js";
import { ownFault } from "./problem.js";
import { ResultsPanel } from "./results-panel.js";
import { SendPanel } from "./send-panel.js";
import { StartPanel } from "./start-panel.js";
import { StreamsPanel, processorWords } from "./streams-panel.js";

const STARTED = "from=start";
const NO_KEY = "First enter a key.";
const NO_STREAM = "First start a stream, or open one.";
const ENDED = "This stream has ended: it takes no more records. Its results stay readable.";

class Console {
  #api = null;
  #stream = null;
  #following = null;
  #wasConnected = false;

  constructor() {
    const api = () => this.#api;
    this.results = new ResultsPanel();
    this.line = new ConnectionLine({
      retryNow: () => this.#following?.retryNow(),
      readAgain: () => this.#read(STARTED),
    });
    this.curl = new CurlPanel(() => ({
      key: this.#api?.key ?? null,
      streamId: this.#stream?.stream_id ?? null,
      startBody: this.start.body,
      json: this.sending.json,
    }));
    this.sending = new SendPanel({
      send: (json) => this.#send(json),
      sendLines: (records, onAnswer) =>
        this.#api.sendLines(this.#stream.stream_id, records, onAnswer),
      onChanged: () => this.curl.refresh(),
    });
    this.start = new StartPanel({
      api,
      onStarted: (stream) => this.#open(stream, STARTED),
      onChanged: () => this.#formChanged(),
    });
    this.streams = new StreamsPanel({
      api,
      onChosen: (stream) => this.#open(stream, byId("from").value),
    });
    this.key = new KeyPanel({
      onAccepted: (accepted, page) => this.#accepted(accepted, page),
      onLeft: () => this.#keyLeft(),
    });
    this.#bind();
    this.#show();
  }

  #bind() {
    byId("close").addEventListener("click", () => this.#close());
    byId("end").addEventListener("click", () => byId("end-dialog").showModal());
    byId("end-dialog").addEventListener("close", () => {
      if (byId("end-dialog").returnValue === "end") this.#end();
    });
    byId("stream-copy").append(
      copyButton("Copy", () => this.#stream?.stream_id ?? "", "the stream's id"),
    );
    addEventListener("online", () => this.#following?.retryNow());
  }

  async #accepted(api, page) {
    this.#api = api;
    this.streams.take(page);
    this.#show();
    const remembered = location.hash.slice(1);
    if (remembered !== "") await this.#reopen(remembered);
    else byId("processor").focus({ preventScroll: true });
  }

  /** Go on with the stream in the address: a page that was loaded again is where it was. */
  async #reopen(streamId) {
    try {
      this.#open(await this.#api.describe(decodeURIComponent(streamId)), STARTED);
    } catch (error) {
      if (!error.problem) throw error;
      history.replaceState(null, "", location.pathname);
      byId("start-problem").replaceChildren(problemNote(error.problem));
    }
  }

  #keyLeft() {
    this.#close();
    this.#api = null;
    this.streams.clear();
    this.#show();
  }

  #open(stream, from) {
    this.#stream = { ended_at: null, ...stream };
    history.replaceState(null, "", `#${stream.stream_id}`);
    this.#show();
    this.#read(from);
    announce(`Stream ${stream.label || stream.stream_id} is open`);
    if (this.#stream.ended_at === null) byId("record").focus({ preventScroll: true });
    else byId("close").focus({ preventScroll: true });
  }

  #close() {
    this.#following?.stop();
    this.#following = null;
    this.#stream = null;
    history.replaceState(null, "", location.pathname);
    this.results.reset();
    this.line.reset();
    this.#show();
    if (this.#api !== null) {
      this.streams.load();
      byId("processor").focus({ preventScroll: true });
    }
  }

  #read(from) {
    this.#following?.stop();
    this.results.reset();
    this.line.reset();
    this.#wasConnected = false;
    const following = new Following({
      url: `/stream/${encodeURIComponent(this.#stream.stream_id)}/results?${from}`,
      headers: this.#api.headers,
      onEvent: (event) => this.#following === following && this.results.take(event),
      onState: (state) => this.#following === following && this.#take(state),
    });
    this.#following = following;
    following.run().catch((error) => {
      this.line.show({ name: "refused", problem: ownFault(error) });
      throw error; // and into the browser's own console, with its place
    });
  }

  #take(state) {
    this.line.show(state);
    if (state.name === "connected" && this.#wasConnected) this.results.reconnected();
    if (state.name === "connected") this.#wasConnected = true;
    if (state.name === "ended" && this.#stream.ended_at === null) {
      this.#stream.ended_at = new Date().toISOString();
      this.#show();
    }
  }

  async #send(json) {
    const settle = this.results.roundTrips.begin(performance.now());
    let recordId = null;
    try {
      const receipt = await this.#api.send(this.#stream.stream_id, json);
      recordId = receipt.record_id;
      return receipt;
    } finally {
      settle(recordId);
    }
  }

  async #end() {
    byId("stream-problem").replaceChildren();
    try {
      await this.#api.end(this.#stream.stream_id);
      announce("The stream is being ended");
    } catch (error) {
      if (!error.problem) throw error;
      byId("stream-problem").replaceChildren(problemNote(error.problem));
    }
  }

  #formChanged() {
    // Called once while the panels are being made, before there is anything to change.
    this.sending.offer(this.start?.processor.sample ?? '"sample data"');
    this.curl.refresh();
  }

  #show() {
    const isOpen = this.#stream !== null;
    byId("start-card").hidden = this.#api === null || isOpen;
    byId("stream-card").hidden = !isOpen;
    byId("stream-why-not").hidden = this.#api !== null;
    byId("stream-problem").replaceChildren();
    if (isOpen) this.#describe(this.#stream);
    const isEnded = isOpen && this.#stream.ended_at !== null;
    this.sending.enable(this.#api === null ? NO_KEY : !isOpen ? NO_STREAM : isEnded ? ENDED : null);
    byId("empty").dataset.step = this.#api === null ? "key" : !isOpen ? "stream" : "send";
    this.curl.refresh();
  }

  #describe(stream) {
    byId("stream-label").textContent = stream.label || "Stream";
    byId("stream-id").textContent = stream.stream_id;
    byId("stream-processor").textContent = processorWords(stream.processor);
    byId("stream-created").textContent = new Date(stream.created_at).toLocaleString();
    byId("stream-ended").hidden = stream.ended_at === null;
    byId("end").hidden = stream.ended_at !== null;
  }
}

new Console().key.begin();
