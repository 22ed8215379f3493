// For whoever plays: how long they live, beside others.

import { html, setText } from "./dom.js";
import { count } from "./format.js";
import { panel } from "./panel.js";

/** Your survival beside that of others. */
export function survivalPanel(scene) {
  const list = html("ul", { class: "rows" });
  let others = [];
  let rows = [];
  let best = 0;
  const explanation = [
    "How many steps you live, beside agents that play the same level: each of their bars is a mean over many episodes.",
    "You begin with what an agent sees. It is harder than it looks: you have to remember what stands where. The button below the town shows you all of it.",
  ];
  const element = panel("survival", "Your survival", explanation, list);

  function build() {
    rows = ["you, now", "you, at best", ...others.map((it) => it.name)].map((name) => {
      const fill = html("div", { class: "fill" });
      const value = html("span", { class: "value" });
      const bar = html("div", { class: "bar", "aria-hidden": "true" }, fill);
      return { element: html("li", {}, html("span", { class: "name" }, name), bar, value), fill, value };
    });
    list.replaceChildren(...rows.map((row) => row.element));
  }
  build();

  return {
    element,
    catalogue({ run }) {
      others = run.baselines;
      build();
    },
    frame(lane) {
      best = Math.max(best, lane.step);
      [lane.step, best, ...others.map((it) => it.survival)].forEach((steps, index) => {
        rows[index].fill.style.width = `${Math.min(100, (100 * steps) / scene.level.step_limit)}%`;
        setText(rows[index].value, count(steps));
      });
    },
  };
}
