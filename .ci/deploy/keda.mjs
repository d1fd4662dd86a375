// Validates KEDA objects: reads a JSON list of them from standard input, and prints a JSON list of findings.
//
//   node keda.mjs NODE_MODULES

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const schemas = resolve(process.argv[2], "@kubernetes-models/keda/_schemas");

async function validator(kind) {
  const file = `${schemas}/ComGithubKedacoreKedaV2ApisKedaV1alpha1${kind}.js`;
  return (await import(pathToFileURL(file))).validate;
}

// The schemas accept unknown fields, which an API server drops or refuses. But a validator reads each field that its schema
// knows. So what it never reads is unknown. `read` collects the paths that it reads.
function watched(value, path, read) {
  if (value === null || typeof value !== "object") return value;
  return new Proxy(value, {
    get(target, key) {
      const at = `${path}/${String(key)}`;
      read.add(at);
      return watched(target[key], at, read);
    },
  });
}

function* paths(value, path) {
  if (value === null || typeof value !== "object") return;
  for (const [key, inner] of Object.entries(value)) {
    yield `${path}/${key}`;
    yield* paths(inner, `${path}/${key}`);
  }
}

const findings = [];
for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  const name = `${object.kind} ${object.metadata?.name}`;
  const validate = await validator(object.kind).catch(() => null);
  if (validate === null) {
    findings.push(`${name}: KEDA has no such kind`);
    continue;
  }
  const read = new Set();
  validate(watched(object, "", read));
  for (const { instancePath, keyword, params } of validate.errors ?? []) {
    findings.push(`${name}: ${instancePath} ${keyword} ${JSON.stringify(params)}`);
  }
  // Of an unknown field, only the field itself is a finding, not what is in it.
  const unknown = [...paths(object, "")].filter((path) => !read.has(path));
  for (const path of unknown.filter((path) => !unknown.some((outer) => path.startsWith(`${outer}/`)))) {
    findings.push(`${name}: ${path} is unknown`);
  }
}
console.log(JSON.stringify(findings));
