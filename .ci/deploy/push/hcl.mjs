// Parses Terraform files: reads a line of JSON with [name, text] for each, and prints a line with its blocks, or with a text that
// states what is wrong. The parser is HashiCorp's own, as WebAssembly.
//
//   node hcl.mjs NODE_MODULES

import { createRequire } from "node:module";
import { resolve } from "node:path";
import { createInterface } from "node:readline";

const { parse } = createRequire(resolve(process.argv[2], "index.js"))("@cdktf/hcl2json");

for await (const line of createInterface({ input: process.stdin })) {
  const parsed = await parse(...JSON.parse(line)).catch((error) => `not Terraform: ${String(error).split("\n")[0]}`);
  console.log(JSON.stringify(parsed));
}
process.exit(0);
