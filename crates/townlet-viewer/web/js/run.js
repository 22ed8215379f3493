// The run: how survival rose while it trained, and what training does now.

import { html, setAttribute, svg } from "./dom.js";
import { count, short } from "./format.js";
import { panel } from "./panel.js";

const [WIDTH, HEIGHT] = [320, 130];

/** What is known of the run. */
export function runPanel() {
  const line = svg("polyline", { class: "line" });
  const others = svg("g", {});
  const axis = svg("g", { class: "axis" });
  const curve = svg("svg", { class: "trend", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" }, axis, others, line);
  const facts = html("dl", {});
  const explanation = [
    "How many steps agents lived while the network trained: each point is a mean over many episodes. Dashed lines are others to compare with.",
    "Epsilon is how often training acts at random. A curriculum begins with an easier world and goes on to the next stage when the agent copes. " +
      "Novelty is an extra reward for what the agent has rarely seen.",
  ];
  const element = panel("run", "Training", explanation, curve, facts);
  return {
    element,
    catalogue({ run, checkpoints }) {
      element.hidden = run.survival.length === 0 && run.baselines.length === 0 && checkpoints.length === 0;
      drawTrend(run, line, others, axis);
      curve.toggleAttribute("hidden", run.survival.length < 2);
      const last = run.survival[run.survival.length - 1];
      setAttribute(curve, "aria-label", last ? `Survival over training, now ${short(last.survival)} steps` : "No survival curve yet");
      const rows = [
        ["Run", run.name || "none"],
        ["State", run.training ? "training" : "not training"],
        ["Trained", `${count(run.steps)} steps`],
        ["Lives", last ? `${short(last.survival)} steps` : null],
        ["Epsilon", run.epsilon === null ? null : short(run.epsilon)],
        ["Curriculum", run.stage],
        ["Novelty", run.novelty === null ? null : short(run.novelty)],
        ...run.baselines.map((it) => [`A ${it.name} agent lives`, `${short(it.survival)} steps`]),
      ].filter(([, value]) => value !== null && value !== undefined);
      facts.replaceChildren(...rows.map(([name, value]) => html("div", {}, html("dt", {}, name), html("dd", {}, value))));
    },
  };
}

function drawTrend(run, line, others, axis) {
  const points = run.survival;
  if (points.length < 2) return;
  const end = points[points.length - 1].steps || 1;
  const most = Math.max(...points.map((it) => it.survival), ...run.baselines.map((it) => it.survival), 1) * 1.08;
  const x = (steps) => 34 + ((WIDTH - 40) * steps) / end;
  const y = (survival) => HEIGHT - 18 - ((HEIGHT - 24) * survival) / most;
  setAttribute(line, "points", points.map((it) => `${x(it.steps).toFixed(1)},${y(it.survival).toFixed(1)}`).join(" "));
  others.replaceChildren(
    ...run.baselines.flatMap((it) => [
      svg("line", { class: "baseline", x1: 34, x2: WIDTH - 6, y1: y(it.survival), y2: y(it.survival) }),
      svg("text", { x: 38, y: y(it.survival) - 3 }, it.name),
    ]),
  );
  axis.replaceChildren(
    svg("line", { x1: 34, x2: WIDTH - 6, y1: y(0), y2: y(0) }),
    svg("text", { x: 30, y: y(0), class: "left" }, "0"),
    svg("text", { x: 30, y: y(most / 1.08) + 4, class: "left" }, short(most / 1.08)),
    svg("text", { x: WIDTH - 6, y: HEIGHT - 4, class: "left" }, `${count(end)} steps`),
  );
}
