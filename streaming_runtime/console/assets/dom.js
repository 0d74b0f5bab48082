// Elements, made without markup: whatever is put into one is text, so no data can become code.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes; `true` sets a bare attribute, `false` and null leave it out. */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** A line of text with its `code`, as what goes into an element. */
export function inline(text) {
  return text
    .split("`")
    .map((piece, index) => (index % 2 === 1 ? el("code", {}, piece) : piece))
    .filter((piece) => piece !== "");
}

/** The element with this id; a page without it is a mistake of ours. */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element #${id}`);
  return found;
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** A refusal as the page shows it: what it is, what to do, and where to read more. */
export function problemNote(problem) {
  const code = problem.code;
  const link = code === null ? null : el("a", { href: `/problems/${encodeURIComponent(code)}` });
  link?.append(`What “${code}” means`);
  const small = [problem.status, problem.requestId && `request ${problem.requestId}`];
  return el(
    "div",
    { class: "problem" },
    el("strong", {}, problem.title),
    problem.detail && problem.detail !== problem.title ? el("p", {}, ...inline(problem.detail)) : null,
    el("p", { class: "small" }, link, small.filter(Boolean).map((part) => ` · ${part}`).join("")),
  );
}
