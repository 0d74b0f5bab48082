import assert from "node:assert/strict";
import { test } from "node:test";

import { OpenApi, exampleText } from "../../../streaming_runtime/console/assets/openapi.js";

const DOCUMENT = {
  tags: [{ name: "Second", description: "…" }],
  security: [{ key: [] }, { bearer: [] }],
  components: {
    securitySchemes: {
      key: { type: "apiKey", in: "header", name: "x-api-key" },
      bearer: { type: "http", scheme: "bearer" },
    },
    parameters: { id: { name: "id", in: "path", required: true, schema: { type: "string" } } },
    responses: { Gone: { description: "Gone" } },
    schemas: {
      Node: {
        type: "object",
        required: ["name"],
        properties: {
          name: { type: "string", examples: ["leaf"], maxLength: 20 },
          parent: { $ref: "#/components/schemas/Node" },
          "a/b": { anyOf: [{ type: "integer", minimum: 1 }, { type: "null" }] },
        },
      },
      Loop: { $ref: "#/components/schemas/Loop" },
    },
  },
  paths: {
    "/things/{id}": {
      parameters: [{ $ref: "#/components/parameters/id" }],
      get: {
        tags: ["Second"],
        parameters: [{ name: "id", in: "path", required: true, description: "nearer" }],
        responses: { 410: { $ref: "#/components/responses/Gone" } },
      },
    },
    "/health": { get: { security: [], responses: {} } },
  },
};

const api = new OpenApi(DOCUMENT);

test("operations stand under their tags, in the order of the tags", () => {
  const groups = api.groups();

  assert.deepEqual(groups.map(({ name }) => name), ["Second", "Routes"]);
  assert.equal(groups[0].operations[0].anchor, "get-things-id");
  assert.equal(groups[0].operations[0].method, "GET");
});

test("references are followed, and a parameter of the operation is nearer than the path's", () => {
  const [operation] = api.groups()[0].operations;

  assert.deepEqual(operation.parameters.map(({ description }) => description), ["nearer"]);
  assert.deepEqual(operation.answers, [{ status: "410", description: "Gone" }]);
});

test("a reference to nothing, or in a circle, ends", () => {
  assert.deepEqual(api.resolve({ $ref: "#/components/schemas/None" }), {});
  assert.deepEqual(api.resolve({ $ref: "elsewhere.json" }), {});
  assert.ok(api.resolve({ $ref: "#/components/schemas/Loop" }));
  assert.equal(api.words({ $ref: "#/components/schemas/Loop" }), "any JSON");
});

test("a reference's own description is the nearer one", () => {
  const found = api.resolve({ $ref: "#/components/schemas/Node", description: "mine" });

  assert.equal(found.description, "mine");
  assert.equal(found.type, "object");
});

test("a schema that holds itself is shown to a depth and no further", () => {
  let depth = 0;
  let fields = api.fields({ $ref: "#/components/schemas/Node" });
  while (fields.length > 0) {
    depth += 1;
    fields = fields.find(({ name }) => name === "parent").fields;
  }

  assert.ok(depth > 1 && depth < 10);
});

test("types are told in words", () => {
  const [name, , third] = api.fields({ $ref: "#/components/schemas/Node" });

  assert.equal(name.words, "string, at most 20 characters");
  assert.equal(name.isRequired, true);
  assert.equal(third.words, "integer, at least 1 or null");
  assert.equal(api.words({ enum: ["start", "now"] }), '"start" or "now"');
  assert.equal(api.words({ type: ["string", "null"] }), "string or null");
  assert.equal(api.words({ type: "array", items: { type: "integer" }, maxItems: 1000 }),
    "array of integer, at most 1,000 of them");
  assert.equal(api.words({}), "any JSON");
});

test("credentials: either of them, or none", () => {
  const [things, health] = api.groups().map(({ operations }) => operations[0]);

  assert.deepEqual(api.credentials(things).map(([scheme]) => scheme.type), ["apiKey", "http"]);
  assert.deepEqual(api.credentials(health), []);
});

test("examples are the given ones, else made from the schema", () => {
  const given = { examples: { one: { summary: "One", value: 1 } } };
  const made = { schema: { $ref: "#/components/schemas/Node" } };

  assert.deepEqual(api.examples(given), [{ name: "One", value: 1 }]);
  assert.equal(api.examples(made)[0].value.name, "leaf");
});

test("an example of a text stays text, JSON is laid out", () => {
  assert.equal(exampleText("id: c1\n\n", "text/event-stream"), "id: c1\n\n");
  assert.equal(exampleText("x", "application/json"), '"x"');
  assert.equal(exampleText({ a: 1 }, "application/problem+json"), '{\n  "a": 1\n}');
});
