// The demonstration server, on a port of its own for each test. Build it first:
// cargo build -p townlet-viewer --example demo_server

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

const target = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../../../target", import.meta.url));
const program = `${target}/debug/examples/demo_server`;

export async function freePort() {
  const probe = createServer();
  await new Promise((done) => probe.listen(0, "127.0.0.1", done));
  const { port } = probe.address();
  await new Promise((done) => probe.close(done));
  return port;
}

export async function start(port, ...more) {
  if (!existsSync(program)) throw new Error(`There is no ${program}: cargo build -p townlet-viewer --example demo_server`);
  const child = spawn(program, [String(port), ...more], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((done, fail) => {
    child.stdout.once("data", done);
    child.once("exit", (code) => fail(new Error(`the server ended with ${code}`)));
  });
  return {
    url: `http://127.0.0.1:${port}/`,
    async stop() {
      const ended = new Promise((done) => child.once("exit", done));
      child.kill();
      await ended;
    },
  };
}
