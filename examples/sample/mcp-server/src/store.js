import { setTimeout as sleep } from "node:timers/promises";

import { Redis } from "./redis.js";

const tries = 5;
const pause = 1000;

// Keeps one connection to redis: compulsory at the start, renewed when it breaks later.
export class Store {
  constructor(url, log) {
    this.url = url;
    this.log = log;
    this.redis = null;
    this.connecting = null;
  }

  // Five tries, a second apart; then the last try's error.
  async start() {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.connection();
        this.log.info("connected to redis", { host: this.url.host });
        return;
      } catch (error) {
        this.log.warn("redis is unreachable", { attempt, tries, error: error.message });
        if (attempt === tries) throw error;
      }
      await sleep(pause);
    }
  }

  async connected() {
    try {
      const redis = await this.connection();
      return (await redis.command("PING")) === "PONG";
    } catch (error) {
      this.log.debug("redis is unreachable", { error: error.message });
      return false;
    }
  }

  async get(key) {
    return (await this.connection()).command("GET", key);
  }

  async set(key, value, seconds) {
    return (await this.connection()).command("SET", key, value, "EX", String(seconds));
  }

  close() {
    this.redis?.close();
  }

  async connection() {
    if (this.redis && !this.redis.broken) return this.redis;
    this.connecting ??= new Redis(this.url).connect().finally(() => {
      this.connecting = null;
    });
    this.redis = await this.connecting;
    return this.redis;
  }
}
