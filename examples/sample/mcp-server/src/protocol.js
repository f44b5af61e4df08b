import { randomUUID } from "node:crypto";

import { tools } from "./vikunja.js";
import { version } from "./version.js";

const protocolVersion = "2025-03-26";

const failure = (id, code, message) => ({ jsonrpc: "2.0", id: id ?? null, error: { code, message } });
const success = (id, result) => ({ jsonrpc: "2.0", id, result });

// The sessions, in this process's memory: clients initialise again after a restart.
export class Sessions {
  constructor() {
    this.ids = new Set();
  }

  create() {
    const id = randomUUID();
    this.ids.add(id);
    return id;
  }

  has(id) {
    return this.ids.has(id);
  }

  delete(id) {
    return this.ids.delete(id);
  }
}

// Answers one JSON-RPC message; null for a notification, which gets no answer.
export async function answer(config, token, message) {
  const { id, method, params = {} } = message ?? {};
  if (typeof method !== "string") return failure(id, -32600, "Invalid Request");
  if (id === undefined) return null;
  switch (method) {
    case "initialize":
      return success(id, {
        protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: "vikunja-mcp-server", version },
      });
    case "ping":
      return success(id, {});
    case "tools/list":
      return success(id, {
        tools: Object.entries(tools).map(([name, { description, inputSchema }]) => ({
          name,
          description,
          inputSchema,
        })),
      });
    case "tools/call":
      return callTool(config, token, id, params);
    default:
      return failure(id, -32601, `Method not found: ${method}`);
  }
}

async function callTool(config, token, id, { name, arguments: given = {} }) {
  if (!Object.hasOwn(tools, name ?? "")) return failure(id, -32602, `Unknown tool: ${name}`);
  try {
    const result = await tools[name].run(config, token, given);
    return success(id, { content: [{ type: "text", text: JSON.stringify(result) }] });
  } catch (error) {
    return success(id, { content: [{ type: "text", text: error.message }], isError: true });
  }
}
