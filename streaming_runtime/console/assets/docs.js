// The page of the API: the OpenAPI document, for people.

import { copyButton } from "./copy.js";
import { quoted } from "./curl.js";
import { byId, el, inline } from "./dom.js";
import { OpenApi, exampleText } from "./openapi.js";
import { prose } from "./prose.js";

const DEADLINE_MS = 20_000;
const PROBLEM = "application/problem+json";

async function load() {
  const answer = await fetch("/schema", { signal: AbortSignal.timeout(DEADLINE_MS) });
  if (!answer.ok) throw new Error(`/schema answered ${answer.status}`);
  return new OpenApi(await answer.json());
}

function render(api) {
  const { info = {} } = api.document;
  byId("title").textContent = info.title ?? "Millrace API";
  if (info.version) byId("title").append(el("span", { class: "version" }, info.version));
  byId("about").replaceChildren(...prose(info.description), credentials(api));
  const groups = api.groups();
  byId("routes").replaceChildren(...groups.map(routeList));
  byId("operations").replaceChildren(...groups.map((group) => section(api, group)));
  // The place in the address was not there yet when the browser looked for it.
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target) target.scrollIntoView();
}

function credentials(api) {
  const schemes = Object.values(api.document.components?.securitySchemes ?? {});
  if (schemes.length === 0) return el("div");
  const items = schemes.map((raw) => {
    const scheme = api.resolve(raw);
    return el("li", {}, ...credentialWords(scheme), " ", ...inline(scheme.description ?? ""));
  });
  return el("section", {}, el("h2", {}, "Credentials"), el("ul", { class: "bullets" }, ...items));
}

function credentialWords(scheme) {
  if (scheme.type === "http") {
    const name = scheme.scheme ?? "bearer";
    const capital = name[0].toUpperCase() + name.slice(1);
    return ["the header ", el("code", {}, `Authorization: ${capital} …`)];
  }
  return [`the ${scheme.in ?? scheme.type} `, el("code", {}, scheme.name ?? "")];
}

function routeList({ name, operations }) {
  const links = operations.map(({ anchor, method, path }) =>
    el("li", {}, el("a", { href: `#${anchor}` }, badge(method), ...breakable(path))),
  );
  return el("div", {}, el("p", { class: "name" }, name), el("ul", {}, ...links));
}

function section(api, { name, description, operations }) {
  return el(
    "section",
    { class: "group" },
    el("h2", {}, name),
    ...prose(description),
    ...operations.map((operation) => article(api, operation)),
  );
}

function article(api, operation) {
  const title = `${operation.anchor}-title`;
  return el(
    "article",
    { class: "card", id: operation.anchor, "aria-labelledby": title },
    el(
      "h3",
      { id: title },
      el("a", { class: "here", href: `#${operation.anchor}` }, badge(operation.method), " "),
      el("span", { class: "path" }, ...breakable(operation.path)),
    ),
    operation.summary ? el("p", { class: "summary" }, ...inline(operation.summary)) : null,
    ...prose(operation.description),
    needed(api, operation),
    parameters(api, operation),
    body(api, operation),
    answers(api, operation),
    asCurl(api, operation),
  );
}

function needed(api, operation) {
  const ways = api.credentials(operation);
  if (ways.length === 0) return el("p", { class: "small" }, "Needs no credential.");
  const words = ways.flatMap((schemes, index) => [
    index === 0 ? "Needs " : ", or ",
    ...schemes.flatMap((scheme, place) => (place === 0 ? [] : [" and "]).concat(credentialWords(scheme))),
  ]);
  return el("p", { class: "small" }, ...words, ".");
}

function parameters(api, operation) {
  if (operation.parameters.length === 0) return null;
  const items = operation.parameters.map((parameter) =>
    field({
      name: parameter.name,
      words: `${parameter.in} · ${api.words(parameter.schema ?? {})}`,
      description: parameter.description ?? "",
      isRequired: parameter.required === true,
      fields: [],
    }),
  );
  return el("div", {}, el("h4", {}, "Parameters"), el("ul", { class: "fields" }, ...items));
}

function field({ name, words, description, isRequired, fields }) {
  return el(
    "li",
    {},
    el("code", { class: "name" }, name),
    isRequired ? el("span", { class: "required" }, "required") : null,
    el("span", { class: "small" }, words),
    ...prose(description),
    fields.length > 0 ? el("ul", { class: "fields" }, ...fields.map(field)) : null,
  );
}

function body(api, operation) {
  if (operation.body === null) return null;
  return el(
    "div",
    {},
    el("h4", {}, operation.body.required ? "Body" : "Body, optional"),
    ...prose(operation.body.description),
    ...contents(api, operation.body.content),
  );
}

function contents(api, content = {}) {
  return Object.entries(content).map(([type, media]) =>
    type === PROBLEM ? problems(api, media) : form(api, type, media),
  );
}

function form(api, type, media) {
  return el(
    "div",
    { class: "content" },
    el("p", {}, el("code", {}, type), el("span", { class: "small" }, shape(api, media))),
    fieldList(api, media),
    ...api.examples(media).map((example) => exampleBlock(example, type)),
  );
}

// Every problem has the same form, and a page that says more than its example.
function problems(api, media) {
  const items = api
    .examples(media)
    .filter(({ value }) => typeof value?.code === "string")
    .map(({ value: { code, title } }) => {
      const link = el("a", { href: `/problems/${encodeURIComponent(code)}` }, el("code", {}, code));
      return el("li", {}, link, ` ${title ?? ""}`);
    });
  return el(
    "div",
    { class: "content" },
    el("p", {}, el("code", {}, PROBLEM)),
    el("ul", { class: "bullets" }, ...items),
  );
}

function shape(api, media) {
  return media.schema === undefined ? "" : ` ${api.words(media.schema)}`;
}

function fieldList(api, media) {
  const fields = api.fields(media.schema ?? {});
  return fields.length === 0 ? null : el("ul", { class: "fields" }, ...fields.map(field));
}

function exampleBlock({ name, value }, type) {
  const text = exampleText(value, type);
  return el(
    "figure",
    {},
    el("figcaption", { class: "small" }, name),
    el("pre", { tabindex: "0", "aria-label": `${name}, ${type}` }, text),
    copyButton("Copy", () => text, `the example: ${name}`),
  );
}

function answers(api, operation) {
  const items = operation.answers.map((answer) =>
    el(
      "details",
      { class: "answer" },
      el(
        "summary",
        {},
        el("span", { class: `status s${answer.status[0]}` }, answer.status),
        ...inline(answer.description ?? ""),
      ),
      ...headers(api, answer.headers),
      ...contents(api, answer.content),
    ),
  );
  return el("div", {}, el("h4", {}, "Answers"), ...items);
}

function headers(api, given = {}) {
  const items = Object.entries(given).map(([name, raw]) => {
    const header = api.resolve(raw);
    return field({
      name,
      words: `header · ${api.words(header.schema ?? {})}`,
      description: header.description ?? "",
      isRequired: header.required === true,
      fields: [],
    });
  });
  return items.length === 0 ? [] : [el("ul", { class: "fields" }, ...items)];
}

function asCurl(api, operation) {
  const parts = [operation.method === "GET" ? "curl -N" : `curl -X ${operation.method}`];
  parts.push(`${location.origin}${operation.path.replace(/\{[^}]*\}/g, "$STREAM")}`);
  if (api.credentials(operation).length > 0) parts.push('-H "x-api-key: $API_KEY"');
  const [type, media] = Object.entries(operation.body?.content ?? {})[0] ?? [];
  const example = media && api.examples(media)[0];
  if (example) parts.push(`\\\n  -d ${quoted(compact(example.value, type))}`);
  const command = parts.join(" ");
  return el(
    "details",
    {},
    el("summary", {}, "With curl"),
    el("pre", { tabindex: "0", "aria-label": "The command" }, command),
    copyButton("Copy", () => command, `the command for ${operation.method} ${operation.path}`),
  );
}

function compact(value, type) {
  const isText = typeof value === "string" && !/[/+]json$/.test(type);
  return isText ? value : JSON.stringify(value);
}

function badge(method) {
  return el("span", { class: `method ${method.toLowerCase()}` }, method);
}

// A path may break at its slashes, so that a long one does not widen a narrow page.
function breakable(path) {
  return path
    .split(/(?=\/)/)
    .flatMap((part, index) => (index === 0 ? [part] : [el("wbr"), part]));
}

function fail(error) {
  const again = el("button", { type: "button" }, "Try again");
  again.addEventListener("click", start);
  const note = el(
    "div",
    { class: "problem" },
    el("strong", {}, "The document cannot be read."),
    el("p", {}, `${error.message}. Is the server running? `, again),
  );
  byId("operations").replaceChildren(note);
}

async function start() {
  try {
    render(await load());
  } catch (error) {
    fail(error);
    throw error; // and into the browser's own console, with its place
  }
}

start();
