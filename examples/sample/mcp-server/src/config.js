import { readFileSync } from "node:fs";

const levels = ["error", "warn", "info", "debug"];

function port(environment, name, fallback) {
  const text = environment[name] || String(fallback);
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 65535) {
    throw new Error(`${name}: ${JSON.stringify(text)} is no port`);
  }
  return number;
}

function secret(environment, name, fallback) {
  const file = environment[`${name}_FILE`];
  return file ? readFileSync(file, "utf8").trim() : environment[name] || fallback;
}

// Reads the settings; throws an Error that names the variable that is wrong.
export function loadConfig(environment) {
  const logLevel = (environment.LOG_LEVEL || "info").toLowerCase();
  if (!levels.includes(logLevel)) {
    throw new Error(`LOG_LEVEL: ${JSON.stringify(logLevel)} is none of ${levels.join(", ")}`);
  }
  const api = (environment.VIKUNJA_API_URL || "http://localhost:3456").replace(/\/+$/, "");
  const httpEnabled = environment.MCP_HTTP_ENABLED === "true";
  return {
    httpEnabled,
    // Without HTTP only a health listener runs, on all interfaces.
    host: httpEnabled ? environment.MCP_HTTP_HOST || "127.0.0.1" : undefined,
    port: httpEnabled
      ? port(environment, "MCP_HTTP_PORT", 3458)
      : port(environment, "MCP_PORT", 3457),
    apiURL: api.endsWith("/api/v1") ? api : `${api}/api/v1`,
    redisURL: new URL(secret(environment, "REDIS_URL", "redis://localhost:6379")),
    tokenTTL: Number(environment.AUTH_TOKEN_CACHE_TTL || 300),
    logLevel,
  };
}
