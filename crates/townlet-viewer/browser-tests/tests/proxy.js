// A small proxy, as notebook servers have one: it serves another server below a path, and takes that path off or not.

import { createServer, request } from "node:http";
import { connect } from "node:net";

/** Serves what runs on `target` below `prefix`, on `port`. With `keeps`, the server behind sees the prefix, too. */
export async function proxy(port, target, prefix, keeps) {
  const open = new Set();
  const behind = (url) => {
    if (!url.startsWith(`${prefix}/`)) return null;
    return keeps ? url : url.slice(prefix.length);
  };
  const server = createServer((asked, answer) => {
    const path = behind(asked.url);
    if (path === null) {
      answer.writeHead(404).end("nothing is here but the proxy");
      return;
    }
    const options = { host: "127.0.0.1", port: target, path, method: asked.method, headers: asked.headers };
    const forwarded = request(options, (found) => {
      answer.writeHead(found.statusCode, found.rawHeaders);
      found.pipe(answer);
    });
    forwarded.on("error", () => answer.writeHead(502).end());
    asked.pipe(forwarded);
  });
  server.on("upgrade", (asked, socket, head) => {
    const path = behind(asked.url);
    if (path === null) {
      socket.destroy();
      return;
    }
    const forwarded = connect(target, "127.0.0.1", () => {
      const lines = [`${asked.method} ${path} HTTP/1.1`];
      for (let at = 0; at < asked.rawHeaders.length; at += 2) lines.push(`${asked.rawHeaders[at]}: ${asked.rawHeaders[at + 1]}`);
      forwarded.write(`${lines.join("\r\n")}\r\n\r\n`);
      forwarded.write(head);
      forwarded.pipe(socket).pipe(forwarded);
    });
    for (const [one, other] of [[socket, forwarded], [forwarded, socket]]) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  });
  server.on("connection", (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
  });
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  return {
    async stop() {
      for (const socket of open) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}
