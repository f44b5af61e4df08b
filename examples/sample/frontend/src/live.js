// Keeps a WebSocket open. Calls changed(message) per change, and opened() on every new connection.

import { api } from "./api.js";

const firstPause = 500;
const longestPause = 10_000;

export function listen({ opened, changed, lost }) {
  let pause = firstPause;

  function connect() {
    const address = new URL(`${api}/ws`, location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    socket.addEventListener("open", () => {
      pause = firstPause;
      opened();
    });
    socket.addEventListener("message", (event) => changed(JSON.parse(event.data)));
    socket.addEventListener("close", () => {
      lost();
      setTimeout(connect, pause);
      pause = Math.min(pause * 2, longestPause);
    });
  }

  connect();
}
