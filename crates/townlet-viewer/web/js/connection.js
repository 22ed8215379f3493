// The connection to the server, which comes back by itself.

const FIRST_WAIT = 300;
const LONGEST_WAIT = 5000;

/** Connects to `path`, again and again. `heard` gets messages, `changed` whether there is a connection. */
export function connect(path, heard, changed) {
  let socket = null;
  let wait = FIRST_WAIT;

  function open() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(`${scheme}//${location.host}${path}`);
    socket.addEventListener("open", () => {
      wait = FIRST_WAIT;
      changed(true);
    });
    socket.addEventListener("message", (event) => heard(JSON.parse(event.data)));
    socket.addEventListener("close", () => {
      changed(false);
      setTimeout(open, wait);
      wait = Math.min(2 * wait, LONGEST_WAIT);
    });
  }

  open();
  return {
    /** Sends a command; does nothing without a connection. */
    send(command, values = {}) {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ command, ...values }));
    },
  };
}
