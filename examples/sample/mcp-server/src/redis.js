import { connect } from "node:net";
import { connect as connectTLS } from "node:tls";

import { decode, encode } from "./resp.js";

const answerLimit = 3000;

function open(url) {
  const host = url.hostname.replace(/^\[|\]$/g, "") || "localhost";
  const port = Number(url.port || 6379);
  return url.protocol === "rediss:" ? connectTLS({ host, port, servername: host }) : connect({ host, port });
}

// One connection. It authenticates itself, and is used up once it breaks.
export class Redis {
  constructor(url) {
    this.url = url;
    this.waiting = [];
    this.buffer = Buffer.alloc(0);
    this.broken = null;
  }

  // Resolves when redis has accepted the password and answered a PING.
  async connect() {
    this.socket = open(this.url);
    this.socket.on("data", (chunk) => this.receive(chunk));
    this.socket.on("error", (error) => this.fail(error));
    this.socket.on("close", () => this.fail(new Error("redis closed the connection")));
    try {
      await this.greet();
    } catch (error) {
      this.fail(error);
      throw error;
    }
    return this;
  }

  async greet() {
    const password = decodeURIComponent(this.url.password);
    const username = decodeURIComponent(this.url.username);
    if (password) await this.command("AUTH", ...(username ? [username] : []), password);
    const database = this.url.pathname.slice(1);
    if (database) await this.command("SELECT", database);
    await this.command("PING");
  }

  command(...words) {
    if (this.broken) return Promise.reject(this.broken);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.fail(new Error(`redis: no answer to ${words[0]}`)), answerLimit);
      this.waiting.push({ resolve, reject, timer });
      this.socket.write(encode(words));
    });
  }

  close() {
    this.fail(new Error("closed"));
  }

  receive(chunk) {
    this.buffer = Buffer.concat([this.buffer, chunk]);
    try {
      for (let answer = decode(this.buffer); answer; answer = decode(this.buffer)) {
        this.buffer = answer.rest;
        const { resolve, reject, timer } = this.waiting.shift();
        clearTimeout(timer);
        if (answer.value instanceof Error) reject(answer.value);
        else resolve(answer.value);
      }
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error) {
    if (this.broken) return;
    this.broken = error;
    this.socket.destroy();
    for (const { reject, timer } of this.waiting.splice(0)) {
      clearTimeout(timer);
      reject(error);
    }
  }
}
