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
    "For each action the network estimates how much reward is to come after it, later rewards counting a little less. The agent takes " +
      "the action with the highest value of those that are allowed. Bars go from the lowest to the highest value of this moment.",
    "Crossed out and masked means not allowed now: a wall, or nothing here that can be used and paid for. What the network says of such an " +
      "action means nothing. Sometimes the agent acts at random, to find out what it does not know yet: epsilon says how often.",
  ];
  const unit = html("p", { class: "note", hidden: true });
  const list = html("ul", { class: "rows" }, ...rows.map((row) => row.element));
  const element = panel("values", "Action values", explanation, none, list, unit);

  return {
    element,
    catalogue({ run }) {
      // What the network learned from is not what the town pays.
      const scale = run.reward_scale ?? 1;
      unit.hidden = scale === 1 || scene.mode !== "watch";
      setText(unit, `In units of rewards × ${scale}: 1 here is a reward of ${Math.round(100 / scale) / 100}.`);
    },
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
  if (scene.mode === "replay" && values.length === 0) return "A recording does not hold what the agent thought.";
  return values.length === 0 ? "This agent has no values." : "";
}
