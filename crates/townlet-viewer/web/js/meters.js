// The meters, what the last step gave and took, and low ones dragging others down.

import { html, setAttribute, setText } from "./dom.js";
import { change, hundredths } from "./format.js";
import { panel } from "./panel.js";

const CAUSES = [
  ["interaction", "used"],
  ["depletion", "time"],
  ["moving", "move"],
  ["modulation", "wear"],
];

/** The meters of one agent. */
export function metersPanel(scene) {
  const { level } = scene;
  const rows = level.meters.map((meter, index) => {
    const fill = html("div", { class: "fill" });
    const marks = [...new Set(level.cascades.filter((it) => it.source === index).map((it) => it.threshold))];
    const ticks = marks.map((threshold) => {
      const tick = html("div", { class: "threshold" });
      tick.style.left = `${100 * threshold}%`;
      return tick;
    });
    const bar = html(
      "div",
      { class: "bar", role: "meter", "aria-label": meter.name, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": 0 },
      fill,
      ...ticks,
    );
    const value = html("span", { class: "value" });
    const causes = html("span", { class: "causes" });
    const bites = html("span", { class: "bites" });
    const name = html("span", { class: "name" }, meter.name, meter.terminal ? html("abbr", { title: "dies at 0" }, " ✝") : null);
    const element = html("li", {}, name, bar, value, html("span", { class: "changes" }, causes, bites));
    return { element, fill, bar, value, causes, bites, marks };
  });
  const steady = level.meters.filter((meter) => meter.money).map((meter) => meter.name);
  const explanation = [
    `${level.meters.length} needs, from 0 to 100. Most fall a little with every step` +
      (steady.length > 0 ? `; ${steady.join(" and ")} is only spent and earned` : "") +
      ". What the last step gave and took stands below the bar. The agent dies when one with a cross reaches 0.",
    ...(level.cascades.length > 0
      ? [`A thin line on a bar is a threshold. While the need is below it, others fall faster: ${cascades(level)}. Red text beside a need says what made it fall in the last step.`]
      : []),
  ];
  const element = panel("meters", "Needs", explanation, html("ul", { class: "rows" }, ...rows.map((row) => row.element)));

  return {
    element,
    frame(lane) {
      lane.meters.forEach((meter, index) => {
        const row = rows[index];
        row.fill.style.width = `${100 * meter.value}%`;
        const low = row.marks.some((threshold) => meter.value < threshold);
        row.element.classList.toggle("low", low);
        setAttribute(row.bar, "aria-valuenow", (100 * meter.value).toFixed(1));
        setText(row.value, hundredths(meter.value));
        const causes = CAUSES.filter(([key]) => Math.abs(meter[key]) > 1e-6);
        setText(row.causes, causes.map(([key, label]) => `${label} ${change(meter[key])}`).join("  "));
        const bites = lane.bites.filter((bite) => level.cascades[bite.cascade].target === index && bite.amount < 0);
        const named = bites.map((bite) => {
          const source = level.meters[level.cascades[bite.cascade].source].name;
          return `◀ low ${source} ${change(bite.amount)}`;
        });
        setText(row.bites, named.join("  "));
        row.element.classList.toggle("bitten", bites.length > 0);
      });
    },
  };
}

/** What low needs do: low hygiene takes from satiation and mood; low social takes from mood. */
function cascades(level) {
  const targets = new Map();
  for (const { source, target } of level.cascades) {
    const names = targets.get(source) ?? [];
    targets.set(source, [...names, level.meters[target].name]);
  }
  const list = (names) => (names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}` : names[0]);
  return [...targets].map(([source, names]) => `low ${level.meters[source].name} takes from ${list(names)}`).join("; ");
}
