// Keeps a WebSocket open. Calls changed(message) per change, and opened() on every new connection.

const firstPause = 500;
const longestPause = 10_000;

export function listen({ opened, changed, lost }) {
  let pause = firstPause;

  function connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/v1/ws`);
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
