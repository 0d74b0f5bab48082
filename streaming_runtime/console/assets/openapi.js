// Reading an OpenAPI 3.1 document: what the page of the API needs of it, and no more.

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options"];
const MAX_DEPTH = 6;
const NUMBER = new Intl.NumberFormat("en");

export class OpenApi {
  constructor(document) {
    this.document = document;
  }

  /** What a `$ref` within the document stands for; anything else as it is. */
  resolve(node) {
    let found = node;
    // A chain longer than this is a circle.
    for (let hops = 0; hops < 20 && typeof found?.$ref === "string"; hops += 1) {
      const { $ref, ...beside } = found;
      const target = this.#at($ref);
      if (target === undefined) return beside;
      // 3.1 lets a description stand beside a reference; it is the nearer one.
      found = { ...target, ...beside };
    }
    return found ?? {};
  }

  /** All operations, by the tags in their order: [{name, description, operations}]. */
  groups() {
    const groups = new Map(
      (this.document.tags ?? []).map(({ name, description }) => [name, { name, description }]),
    );
    for (const operation of this.#operations()) {
      const name = operation.tags[0] ?? "Routes";
      const group = groups.get(name) ?? { name };
      group.operations = [...(group.operations ?? []), operation];
      groups.set(name, group);
    }
    return [...groups.values()].filter((group) => group.operations);
  }

  *#operations() {
    for (const [path, item] of Object.entries(this.document.paths ?? {})) {
      const shared = this.resolve(item);
      for (const method of METHODS.filter((name) => shared[name] !== undefined)) {
        yield this.#operation(method, path, shared);
      }
    }
  }

  #operation(method, path, item) {
    const operation = this.resolve(item[method]);
    const parameters = new Map();
    for (const raw of [...(item.parameters ?? []), ...(operation.parameters ?? [])]) {
      const parameter = this.resolve(raw);
      parameters.set(`${parameter.in} ${parameter.name}`, parameter);
    }
    return {
      anchor: `${method}-${path.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "") || "root"}`,
      method: method.toUpperCase(),
      path,
      summary: operation.summary ?? "",
      description: operation.description ?? "",
      tags: operation.tags ?? [],
      parameters: [...parameters.values()],
      body: operation.requestBody === undefined ? null : this.resolve(operation.requestBody),
      answers: Object.entries(operation.responses ?? {}).map(([status, answer]) => ({
        status,
        ...this.resolve(answer),
      })),
      security: operation.security ?? this.document.security ?? [],
    };
  }

  /** The ways to be let in: [[scheme, …], …], any one list is enough; [] where none is needed. */
  credentials(operation) {
    const schemes = this.document.components?.securitySchemes ?? {};
    return operation.security
      .map((needed) => Object.keys(needed).map((name) => this.resolve(schemes[name])))
      .filter((list) => list.length > 0);
  }

  /** The fields of a schema, nested: [{name, words, description, isRequired, fields}]. */
  fields(schema, depth = 0) {
    const found = this.#object(this.resolve(schema));
    if (found === null || depth >= MAX_DEPTH) return [];
    const required = new Set(found.required ?? []);
    return Object.entries(found.properties).map(([name, raw]) => {
      const property = this.resolve(raw);
      return {
        name,
        words: this.words(property),
        description: property.description ?? "",
        isRequired: required.has(name),
        fields: this.fields(property, depth + 1),
      };
    });
  }

  /** The object that a schema is about: itself, what an array holds, or the one of several forms. */
  #object(schema) {
    if (schema.properties !== undefined) return schema;
    if (schema.items !== undefined) return this.#object(this.resolve(schema.items));
    const objects = (schema.anyOf ?? schema.oneOf ?? schema.allOf ?? [])
      .map((form) => this.resolve(form))
      .filter((form) => form.properties !== undefined);
    if (schema.allOf === undefined) return objects.length === 1 ? objects[0] : null;
    return {
      properties: Object.assign({}, ...objects.map((form) => form.properties)),
      required: objects.flatMap((form) => form.required ?? []),
    };
  }

  /** A type in words: "integer, 1 to 1,000", "text or null", "array of object". */
  words(raw, depth = 0) {
    const schema = this.resolve(raw);
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (schema.enum !== undefined) return schema.enum.map((one) => JSON.stringify(one)).join(" or ");
    const forms = schema.anyOf ?? schema.oneOf;
    if (forms !== undefined && depth < MAX_DEPTH) {
      return [...new Set(forms.map((form) => this.words(form, depth + 1)))].join(" or ");
    }
    const types = [schema.type ?? (schema.properties ? "object" : "any JSON")].flat();
    const base = types.map((type) => this.#typeWords(type, schema, depth)).join(" or ");
    return [base, ...limits(schema)].join(", ");
  }

  #typeWords(type, schema, depth) {
    if (type === "array" && schema.items !== undefined && depth < MAX_DEPTH) {
      return `array of ${this.words(schema.items, depth + 1)}`;
    }
    if (type === "string" && schema.format !== undefined) return `string (${schema.format})`;
    return type;
  }

  /** The examples of a media type: [{name, value}], one made from the schema where there is none. */
  examples(media) {
    const named = Object.entries(media.examples ?? {}).map(([name, raw]) => {
      const example = this.resolve(raw);
      return { name: example.summary ?? name, value: example.value };
    });
    if (named.length > 0) return named;
    if (media.example !== undefined) return [{ name: "Example", value: media.example }];
    const made = this.#sample(media.schema ?? {}, 0);
    return made === undefined ? [] : [{ name: "Example", value: made }];
  }

  #sample(raw, depth) {
    const schema = this.resolve(raw);
    const given = schema.examples?.[0] ?? schema.example ?? schema.const ?? schema.enum?.[0];
    if (given !== undefined) return given;
    if (schema.default !== undefined) return schema.default;
    if (depth >= MAX_DEPTH) return undefined;
    const forms = schema.anyOf ?? schema.oneOf ?? schema.allOf;
    if (forms !== undefined) return this.#sample(forms[0], depth + 1);
    if (schema.properties !== undefined) return this.#sampleObject(schema, depth);
    if (schema.type === "array") {
      const item = this.#sample(schema.items ?? {}, depth + 1);
      return item === undefined ? [] : [item];
    }
    return { string: "text", integer: 1, number: 1.5, boolean: true, null: null }[schema.type];
  }

  #sampleObject(schema, depth) {
    const members = Object.entries(schema.properties)
      .map(([name, property]) => [name, this.#sample(property, depth + 1)])
      .filter(([, value]) => value !== undefined);
    return Object.fromEntries(members);
  }

  #at(reference) {
    if (!reference.startsWith("#/")) return undefined;
    return reference
      .slice(2)
      .split("/")
      .map((part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"))
      .reduce((node, part) => node?.[part], this.document);
  }
}

function limits(schema) {
  const words = [];
  const range = (low, high, unit) => {
    if (low !== undefined && high !== undefined) {
      words.push(`${NUMBER.format(low)} to ${NUMBER.format(high)}${unit}`);
    } else if (high !== undefined) words.push(`at most ${NUMBER.format(high)}${unit}`);
    else if (low !== undefined) words.push(`at least ${NUMBER.format(low)}${unit}`);
  };
  range(schema.minimum, schema.maximum, "");
  if (schema.minLength === 1 && schema.maxLength === undefined) words.push("not empty");
  else range(schema.minLength, schema.maxLength, " characters");
  range(schema.minItems, schema.maxItems, " of them");
  if (schema.pattern !== undefined) words.push(`like ${schema.pattern}`);
  if (schema.default !== undefined && schema.default !== null) {
    words.push(`${JSON.stringify(schema.default)} if not given`);
  }
  return words;
}

/** An example as text: JSON is laid out, a text (an event stream, lines) stays as it is. */
export function exampleText(value, mediaType) {
  const isJson = /[/+]json$/.test(mediaType.split(";")[0]);
  return typeof value === "string" && !isJson ? value : JSON.stringify(value, null, 2);
}
