// The town: places, opening hours, the agent and where it came from, and what it really sees.

import { html, setAttribute, setText, svg } from "./dom.js";
import { effects, gives, hundredths, oClock, openingHours, price, words } from "./format.js";
import { picture } from "./icons.js";
import { panel } from "./panel.js";

const CELL = 60;

/** The town of one agent. `agentsView` hides what the agent does not see. */
export function townPanel(scene) {
  const { level } = scene;
  const [width, height] = [level.width * CELL, level.height * CELL];
  const clock = html("p", { class: "clock" });
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "map" });
  const cells = svg("g", {});
  for (let y = 0; y < level.height; y += 1) {
    for (let x = 0; x < level.width; x += 1) {
      cells.append(svg("rect", { class: "cell", x: x * CELL, y: y * CELL, width: CELL, height: CELL }));
    }
  }
  const places = level.places.map((place) => {
    const label = words(place.name);
    return svg(
      "g",
      { class: "place" },
      svg("title", {}, `${label}: ${whatItDoes(place)}`),
      svg("rect", { x: 3, y: 3, width: CELL - 6, height: CELL - 6, rx: 8 }),
      picture(place.name, 17, 8, 26),
      svg("text", { class: "hidden-place", x: CELL / 2, y: 40 }, "?"),
      svg("text", { class: "name", x: CELL / 2, y: 45 }, label),
      place.hours && svg("text", { class: "hours", x: CELL / 2, y: 54 }, `${place.hours[0]}–${place.hours[1]} h`),
      place.hours && svg("text", { class: "shut", x: CELL / 2, y: 54 }, "closed"),
    );
  });
  const trail = svg("polyline", { class: "trail" });
  const shades = Array.from({ length: level.width * level.height }, (_, index) =>
    svg("rect", {
      class: "shade",
      x: (index % level.width) * CELL,
      y: Math.floor(index / level.width) * CELL,
      width: CELL,
      height: CELL,
    }),
  );
  const sight = svg("rect", { class: "sight", rx: 6 });
  const agent = svg(
    "g",
    { class: "agent" },
    svg("circle", { cx: CELL / 2, cy: CELL / 2, r: 13 }),
    svg("circle", { class: "eye alive", cx: CELL / 2 - 5, cy: CELL / 2 - 3, r: 2 }),
    svg("circle", { class: "eye alive", cx: CELL / 2 + 5, cy: CELL / 2 - 3, r: 2 }),
    svg("path", { class: "mouth alive", d: `M${CELL / 2 - 6} ${CELL / 2 + 4}q6 5 12 0` }),
    svg("path", { class: "mouth lost", d: `M${CELL / 2 - 8} ${CELL / 2 - 6}l5 5m0 -5l-5 5m11 -5l5 5m0 -5l-5 5M${CELL / 2 - 5} ${CELL / 2 + 7}q5 -4 10 0` }),
  );
  drawing.append(cells, ...places, ...shades, trail, sight, agent);

  const plays = scene.mode === "play";
  const view = html("button", { type: "button", class: "view" }, plays ? "Only what an agent sees" : "Only what the agent sees");
  const show = (agentsView) => {
    setAttribute(view, "aria-pressed", String(agentsView));
    drawing.classList.toggle("agents-view", agentsView);
  };
  // Whoever plays begins with what an agent has to do with.
  show(plays);
  view.addEventListener("click", () => show(!drawing.classList.contains("agents-view")));
  const seesPlaces = level.vision_range !== null;
  drawing.classList.toggle("sees-no-places", !seesPlaces);
  const here = html("p", { class: "here", "aria-live": "polite" });
  const refusal = html("strong", { class: "refusal" });
  const use = html("span", {});
  here.append(refusal, use);
  here.hidden = !plays;

  const explanation = [
    (seesPlaces
      ? "The agent does not see the whole town, only the bright cells around it, and of those only that something stands there. "
      : "The agent sees where it is on the grid, but not where the places stand. ") +
      "What a place is, it learns by standing on it; everything else it has to remember.",
    "The line is the way it came." + (level.places.some((place) => place.hours) ? " A place with a broken border is closed at this hour." : ""),
  ];
  const element = panel("town", "Town", explanation, clock, drawing, here, view);

  return {
    element,
    frame(lane) {
      const [x, y] = lane.cell;
      const place = lane.progress ? level.places[lane.progress.place] : null;
      const on = place ? words(place.name) : "no place";
      const time = level.clock ? `${lane.hour >= 6 && lane.hour < 20 ? "☀" : "☾"} ${oClock(lane.hour)}, ` : "";
      setText(clock, `${time}step ${lane.step} of ${level.step_limit}, on ${on}`);
      setAttribute(drawing, "aria-label", `Map of the town. The agent is in column ${x + 1}, row ${y + 1}, on ${on}.`);
      if (plays) {
        setText(refusal, lane.ended ? "" : refused(level, lane, place));
        setText(use, place ? `${on}: ${whatItDoes(place)}.` : "Nothing stands here.");
      }
      lane.places.forEach((place, index) => {
        const node = places[index];
        setAttribute(node, "transform", `translate(${place.cell[0] * CELL} ${place.cell[1] * CELL})`);
        node.classList.toggle("closed", !place.open);
        node.classList.toggle("here", place.cell[0] === x && place.cell[1] === y);
      });
      const range = level.vision_range;
      shades.forEach((shade, index) => {
        const away = Math.max(Math.abs((index % level.width) - x), Math.abs(Math.floor(index / level.width) - y));
        shade.classList.toggle("seen", range === null || away <= range);
      });
      if (range === null) {
        setAttribute(sight, "width", 0);
      } else {
        const [left, top] = [Math.max(0, x - range), Math.max(0, y - range)];
        const [right, bottom] = [Math.min(level.width - 1, x + range), Math.min(level.height - 1, y + range)];
        setAttribute(sight, "x", left * CELL + 2);
        setAttribute(sight, "y", top * CELL + 2);
        setAttribute(sight, "width", (right - left + 1) * CELL - 4);
        setAttribute(sight, "height", (bottom - top + 1) * CELL - 4);
      }
      const points = lane.trail.map(([column, row]) => `${(column + 0.5) * CELL},${(row + 0.5) * CELL}`);
      setAttribute(trail, "points", points.join(" "));
      setAttribute(agent, "transform", `translate(${x * CELL} ${y * CELL})`);
      agent.classList.toggle("dead", Boolean(lane.ended && lane.ended.died));
    },
  };
}

/** Price, time, hours and effects of a place, for a person. */
function whatItDoes(place) {
  const each = place.ticks > 1 ? " a step" : "";
  const [now, done] = gives(place).map(effects);
  const parts = [
    place.price > 0 ? `costs ${price(place)}${each}` : "free",
    place.ticks > 1 && `takes ${place.ticks} steps in a row`,
    place.hours && openingHours(place.hours),
    now && `${now}${each}`,
    done && `${done} when done`,
  ];
  return parts.filter(Boolean).join("; ");
}

/** Why the last step did nothing. */
function refused(level, lane, place) {
  const reason = lane.taken && lane.taken.refused;
  if (!reason) return "";
  const money = level.meters.findIndex((meter) => meter.money);
  const left = money < 0 ? "" : `, and you have ${hundredths(lane.meters[money].value)}`;
  return {
    wall: "That is the edge of the town. ",
    nothing_here: "There is nothing to use here. ",
    closed: place ? `Closed now, at ${oClock((lane.hour + 23) % 24)}. ` : "",
    too_expensive: place ? `Too expensive: it costs ${price(place)}${left}. ` : "",
  }[reason];
}
