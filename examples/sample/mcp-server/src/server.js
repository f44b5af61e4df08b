import { createServer } from "node:http";

import { claimedVersion, failHealth } from "./misbehave.js";
import { Sessions, answer } from "./protocol.js";
import { authenticate, Unauthorized } from "./vikunja.js";
import { version } from "./version.js";

const bodyLimit = 1 << 20;
const heartbeat = 15_000;

function send(response, status, body, headers = {}) {
  const text = body === undefined ? "" : JSON.stringify(body);
  response.writeHead(status, {
    ...(text && { "content-type": "application/json" }),
    "cache-control": "no-store",
    ...headers,
  });
  response.end(text);
}

async function readJSON(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > bodyLimit) throw new SyntaxError("the body is too large");
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

async function health(store, response) {
  const connected = await store.connected();
  const healthy = connected && !failHealth();
  send(response, healthy ? 200 : 503, {
    status: healthy ? "ok" : "degraded",
    version: claimedVersion(version),
    uptime: Math.floor(process.uptime()),
    redis: connected ? "connected" : "disconnected",
    timestamp: new Date().toISOString(),
  });
}

async function post(config, sessions, token, request, response) {
  let message;
  try {
    message = await readJSON(request);
  } catch (error) {
    send(response, 400, { jsonrpc: "2.0", id: null, error: { code: -32700, message: error.message } });
    return;
  }
  const session = request.headers["mcp-session-id"];
  const begins = message?.method === "initialize";
  if (!begins && !sessions.has(session)) {
    send(response, session ? 404 : 400, { error: "unknown session: initialise first" });
    return;
  }
  const result = await answer(config, token, message);
  const headers = { "mcp-session-id": begins ? sessions.create() : session };
  send(response, result ? 200 : 202, result ?? undefined, headers);
}

// The server's own stream to the client: it stays open and carries only heartbeats.
function stream(response) {
  response.writeHead(200, {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
  });
  response.write(": open\n\n");
  const timer = setInterval(() => response.write(": still here\n\n"), heartbeat);
  response.on("close", () => clearInterval(timer));
}

async function mcp(config, store, sessions, request, response) {
  const token = (request.headers.authorization ?? "").replace(/^Bearer\s+/i, "");
  await authenticate(config, store, token);
  const session = request.headers["mcp-session-id"];
  if (request.method === "POST") await post(config, sessions, token, request, response);
  else if (request.method === "DELETE") send(response, sessions.delete(session) ? 204 : 404);
  else if (request.method === "GET" && sessions.has(session)) stream(response);
  else if (request.method === "GET") send(response, 404, { error: "unknown session: initialise first" });
  else send(response, 405, { error: "Method Not Allowed" }, { allow: "GET, POST, DELETE" });
}

export function makeServer(config, store, log) {
  const sessions = new Sessions();
  return createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const began = Date.now();
    response.on("finish", () =>
      log.info("request", {
        method: request.method,
        path: pathname,
        status: response.statusCode,
        milliseconds: Date.now() - began,
      }),
    );
    try {
      if (pathname === "/health") await health(store, response);
      else if (pathname === "/mcp" && config.httpEnabled)
        await mcp(config, store, sessions, request, response);
      else send(response, 404, { error: "Not Found" });
    } catch (error) {
      if (error instanceof Unauthorized) {
        send(response, 401, { error: error.message }, { "www-authenticate": "Bearer" });
        return;
      }
      log.error("request failed", { path: pathname, error: error.message });
      if (response.headersSent) response.destroy();
      else send(response, 502, { error: "the backend or redis did not answer" });
    }
  });
}
