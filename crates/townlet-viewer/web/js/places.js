// Where the agent was, and what it used.

import { html, setAttribute, setText, svg } from "./dom.js";
import { words } from "./format.js";
import { picture } from "./icons.js";
import { panel } from "./panel.js";

/** Visits and uses of one agent in this episode. */
export function placesPanel(scene) {
  const { level } = scene;
  const cells = Array.from({ length: level.width * level.height }, (_, index) =>
    svg("rect", { class: "visit", x: index % level.width, y: Math.floor(index / level.width), width: 1, height: 1 }),
  );
  const map = svg("svg", { class: "visits", viewBox: `0 0 ${level.width} ${level.height}`, role: "img" }, ...cells);
  const rows = level.places.map((place) => {
    const fill = html("div", { class: "fill" });
    const value = html("span", { class: "value" });
    const bar = html("div", { class: "bar", "aria-hidden": "true" }, fill);
    const icon = svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, picture(place.name, 0, 0, 24));
    return { element: html("li", {}, icon, html("span", { class: "name" }, words(place.name)), bar, value), fill, value };
  });
  const explanation = [
    "The map shows how often the agent stood on each cell in this episode: the stronger the colour, the more often. The list counts what it used.",
    "An agent that has learned something walks a few paths between a few places, again and again. One that knows nothing wanders.",
  ];
  const list = html("ul", { class: "rows uses" }, ...rows.map((row) => row.element));
  const element = panel("places", "Visits and uses", explanation, html("div", { class: "columns" }, map, list));

  return {
    element,
    frame(lane) {
      const most = Math.max(...lane.visits, 1);
      const visited = lane.visits.filter((visits) => visits > 0).length;
      lane.visits.forEach((visits, index) => {
        cells[index].style.fillOpacity = visits === 0 ? 0 : 0.15 + (0.85 * visits) / most;
      });
      setAttribute(map, "aria-label", `${visited} of ${cells.length} cells visited, one of them ${most} times`);
      const mostUsed = Math.max(...lane.uses, 1);
      lane.uses.forEach((uses, index) => {
        rows[index].fill.style.width = `${(100 * uses) / mostUsed}%`;
        setText(rows[index].value, String(uses));
        rows[index].element.classList.toggle("unused", uses === 0);
      });
    },
  };
}
