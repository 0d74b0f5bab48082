// The built-in processors, as the page offers them, and the body of a start.

/** name: what it does, its parameter, and a record that shows it. */
export const PROCESSORS = {
  "": { about: "What the server uses when nothing is said.", sample: '"sample data"' },
  identity: { about: "Gives every record back as it is.", sample: '{ "greeting": "hello" }' },
  uppercase: {
    about: "Puts every string in the data into capitals.",
    sample: '{ "greeting": "hello", "to": ["mill", "race"] }',
  },
  jmespath: {
    about: "Gives what a JMESPath expression selects from each record.",
    parameter: "expression",
    label: "Expression",
    example: "user.name",
    sample: '{ "user": { "name": "Ada", "id": 1815 } }',
  },
  reject: {
    about: "Turns each record that a JMESPath expression matches into a failed result.",
    parameter: "when",
    label: "Reject when",
    example: "level == 'error'",
    sample: '{ "level": "error", "text": "no water" }',
  },
  other: {
    about: "A processor that this server has besides the built-in ones.",
    sample: '"sample data"',
  },
};

export class CannotStart extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

/**
 * The body of POST /stream/start for what stands in the form; only what was filled in is in it.
 *
 * Throws CannotStart, which names the field that is at fault.
 */
export function startBody({ processor, parameter, name, parameters, label, ttl }) {
  const body = {};
  const chosen = processorOf({ processor, parameter, name, parameters });
  if (chosen !== null) body.processor = chosen;
  if (label.trim() !== "") body.label = label.trim();
  if (ttl.trim() !== "") body.ttl_seconds = seconds(ttl.trim());
  return body;
}

function processorOf({ processor, parameter, name, parameters }) {
  if (processor === "") return null;
  if (processor === "other") return otherOf(name.trim(), parameters.trim());
  const known = PROCESSORS[processor];
  if (known.parameter === undefined) return processor;
  if (parameter.trim() === "") {
    throw new CannotStart("parameter", `Give an expression, for example ${known.example}`);
  }
  return { name: processor, [known.parameter]: parameter.trim() };
}

function otherOf(name, parameters) {
  if (name === "") throw new CannotStart("other-name", "Give the name of the processor");
  if (parameters === "") return name;
  let parsed;
  try {
    parsed = JSON.parse(parameters);
  } catch {
    parsed = null;
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new CannotStart("other-parameters", 'Parameters are a JSON object: {"name": value}');
  }
  return { ...parsed, name };
}

function seconds(text) {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) {
    throw new CannotStart("ttl", "Give whole seconds, 1 or more, or leave it empty");
  }
  return Number(text);
}
