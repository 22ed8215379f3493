// The connection to the server, which comes back by itself.

const FIRST_WAIT = 300;
const LONGEST_WAIT = 5000;

/**
 * Connects to `path`, relative to the page, again and again. `heard` gets messages; `changed` is told "connected",
 * "lost", or "locked" where the server asks for its token.
 */
export function connect(path, heard, changed) {
  let socket = null;
  let wait = FIRST_WAIT;

  function open() {
    // The page may lie below a prefix that only a proxy knows.
    const address = new URL(path, document.baseURI);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(address);
    let opened = false;
    socket.addEventListener("open", () => {
      opened = true;
      wait = FIRST_WAIT;
      changed("connected");
    });
    socket.addEventListener("message", (event) => heard(JSON.parse(event.data)));
    socket.addEventListener("close", async () => {
      changed(!opened && (await isLocked()) ? "locked" : "lost");
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

/** A browser does not say why a WebSocket was refused, so something small is asked for. */
async function isLocked() {
  try {
    return (await fetch(new URL("metrics.json", document.baseURI))).status === 401;
  } catch {
    return false;
  }
}
