// What the agent thinks each action is worth, which are not allowed, and which it takes.

import { html, setAttribute, setText } from "./dom.js";
import { decimals } from "./format.js";
import { panel } from "./panel.js";

const ARROWS = { UP: "↑", DOWN: "↓", LEFT: "←", RIGHT: "→", INTERACT: "◉" };

/** The values of the actions of one agent. */
export function valuesPanel(scene) {
  const rows = scene.level.actions.map((action) => {
    const fill = html("div", { class: "fill" });
    const value = html("span", { class: "value" });
    const note = html("span", { class: "note" });
    const name = html("span", { class: "name" }, html("span", { "aria-hidden": "true" }, ARROWS[action] ?? "•"), ` ${action}`);
    const element = html("li", {}, name, html("div", { class: "bar", "aria-hidden": "true" }, fill), value, note);
    return { element, fill, value, note };
  });
  const none = html("p", { class: "none" });
  const explanation = [
    "For each action the network estimates how much reward it will bring from here on, counting what comes later a little " +
      "less. The longest bar is the best; bars are drawn from the worst to the best of this moment.",
    "Crossed out and masked means not allowed here: a wall, or nothing that can be used or paid for now. Sometimes the agent acts at " +
      "random, to find out what it does not know yet: that is exploring, and epsilon says how often.",
  ];
  const list = html("ul", { class: "rows" }, ...rows.map((row) => row.element));
  const element = panel("values", "Action values", explanation, none, list);

  return {
    element,
    frame(lane) {
      const { thought } = lane;
      const values = thought ? thought.values : [];
      const known = values.filter((value) => Number.isFinite(value));
      const [least, most] = [Math.min(...known), Math.max(...known)];
      const write = decimals(most - least);
      setText(none, noValues(scene, lane, values));
      rows.forEach((row, index) => {
        const value = values[index];
        const width = Number.isFinite(value) && most > least ? 4 + (96 * (value - least)) / (most - least) : 0;
        row.fill.style.width = `${width}%`;
        setText(row.value, Number.isFinite(value) ? write(value) : "");
        const allowed = lane.mask[index];
        const chosen = Boolean(thought && thought.action === index);
        const note = !allowed ? "masked" : chosen ? (thought.explored ? "at random" : "chosen") : "";
        setText(row.note, note);
        row.element.classList.toggle("masked", !allowed);
        row.element.classList.toggle("chosen", chosen);
        setAttribute(row.element, "aria-current", chosen ? "true" : null);
      });
    },
  };
}

function noValues(scene, lane, values) {
  if (lane.ended) return "The episode is over.";
  if (scene.mode === "play") return "You choose.";
  if (scene.mode === "replay" && values.length === 0) return "A trace does not hold what the agent thought.";
  return values.length === 0 ? "This agent has no values." : "";
}
