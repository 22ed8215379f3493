// For whoever plays: the pause after a life, which says what happened.

import { html, setText } from "./dom.js";
import { count, short } from "./format.js";

/** How long keys are not listened to, in milliseconds: whoever dies is still pressing them. */
const PAUSE = 900;

/** The panel that stands before the town while an episode is over, in `root`. `begin` begins the next one. */
export function createEnding(root, begin) {
  const what = html("h2", { id: "ending-title" });
  const how = html("p", {});
  const best = html("p", { class: "note" });
  const again = html("button", { type: "button", class: "primary" }, "Begin again");
  const keys = html("p", { class: "note" }, "Enter or space");
  const panel = html(
    "section",
    { class: "ending", role: "alertdialog", "aria-labelledby": "ending-title", hidden: true },
    what,
    how,
    best,
    html("p", { class: "again" }, again, keys),
  );
  root.append(panel);

  let scene = null;
  let others = [];
  let longest = 0;
  let opened = null;

  const isReady = () => opened !== null && performance.now() - opened >= PAUSE;
  const beginIfReady = () => {
    if (isReady()) begin();
  };
  again.addEventListener("click", beginIfReady);

  function open(end) {
    panel.classList.toggle("died", end.died);
    setText(what, end.died ? `You died of ${end.causes.join(" and ")}` : "You lived to the limit");
    setText(how, `You lived ${count(end.steps)} of ${count(scene.level.step_limit)} steps; your rewards add up to ${short(end.total_reward)}.`);
    const compared = others.map((it) => `a ${it.name} agent lives ${count(it.survival)}`).join(", ");
    setText(best, `Your best so far: ${count(Math.max(longest, end.steps))} steps${compared && `; on average ${compared}`}.`);
    if (opened !== null) return;
    opened = performance.now();
    panel.hidden = false;
    again.setAttribute("aria-disabled", "true");
    setTimeout(() => again.removeAttribute("aria-disabled"), PAUSE);
    again.focus({ preventScroll: true });
  }

  function close() {
    if (opened === null) return;
    opened = null;
    panel.hidden = true;
    if (document.activeElement) document.activeElement.blur();
  }

  return {
    scene(next) {
      scene = next;
      if (scene.mode !== "play") close();
    },
    catalogue({ run }) {
      others = run.baselines;
    },
    status(status) {
      longest = status.longest;
    },
    frame(frame) {
      if (!scene || scene.mode !== "play") return;
      const { ended } = frame.lanes[0];
      if (ended) open(ended);
      else close();
    },
    /** Whether a key is the panel's. None moves the dead. */
    takes(event, isAction) {
      if (opened === null) return false;
      if (event.key !== "Enter" && event.key !== " ") return isAction;
      // A key that is held down has not been pressed since.
      if (!event.repeat) beginIfReady();
      return true;
    },
  };
}
