import { setTimeout as sleep } from "node:timers/promises";

import { loadConfig } from "./config.js";
import { makeLog } from "./log.js";
import { failStart, hangOnStop, startDelay } from "./misbehave.js";
import { makeServer } from "./server.js";
import { Store } from "./store.js";
import { version } from "./version.js";

function stopOnSignals(server, store, log) {
  const stop = (signal) => {
    if (hangOnStop()) {
      log.warn("told to hang on stop", { signal });
      return;
    }
    log.info("shutting down", { signal });
    server.close(() => {
      store.close();
      process.exit(0);
    });
    server.closeIdleConnections();
    // Event streams have no end of their own.
    setTimeout(() => server.closeAllConnections(), 5000).unref();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

async function main() {
  if (failStart()) throw new Error("told not to start by SAMPLE_FAIL_START");
  const config = loadConfig(process.env);
  const log = makeLog(config.logLevel);
  log.info("starting", { version, backend: config.apiURL });
  const store = new Store(config.redisURL, log);
  await store.start();
  await sleep(startDelay());
  const server = makeServer(config, store, log);
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(config.port, config.host, resolve);
  });
  stopOnSignals(server, store, log);
  log.info("listening", { host: config.host ?? "all interfaces", port: config.port });
}

main().catch((error) => {
  makeLog("error").error("cannot start", { error: error.message });
  process.exit(1);
});
