// The run: how survival rose while it trained, and what training does now.

import { html, setAttribute, setText, svg } from "./dom.js";
import { count, short } from "./format.js";
import { panel } from "./panel.js";

const [WIDTH, HEIGHT] = [320, 130];
/** How much room a label needs. */
const LABEL = 10;

/** What is known of the run. */
export function runPanel() {
  const line = svg("polyline", { class: "line" });
  const others = svg("g", {});
  const axis = svg("g", { class: "axis" });
  const dots = svg("g", {});
  const curve = svg("svg", { class: "trend", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" }, axis, others, line, dots);
  const source = html("p", { class: "note" });
  const facts = html("dl", {});
  const explanation = [
    "How many steps agents lived while the network trained. Dashed lines are others to compare with: a random agent, one that follows a script and " +
      "knows the rules, and the best that this network has shown.",
    "Epsilon is how often training acts at random. A curriculum begins with an easier world and goes on to the next stage when the agent copes. " +
      "Novelty is an extra reward for what the agent has rarely seen.",
  ];
  const element = panel("run", "Training", explanation, curve, source, facts);
  return {
    element,
    catalogue({ run, checkpoints }) {
      element.hidden = run.survival.length === 0 && run.baselines.length === 0 && checkpoints.length === 0;
      drawTrend(run, line, dots, others, axis);
      curve.toggleAttribute("hidden", run.survival.length === 0);
      source.hidden = run.survival.length === 0;
      setText(source, run.survival_is_evaluated ? "Steps lived in evaluations, which do not explore" : "Steps lived in training episodes, exploration included");
      const last = run.survival[run.survival.length - 1];
      setAttribute(curve, "aria-label", last ? `Survival over training, now ${short(last.survival)} steps` : "No survival curve yet");
      const rows = [
        ["Run", run.name || null],
        ["State", run.name ? (run.training ? "training" : "not training") : null],
        ["Trained", run.name ? `${count(run.steps)} steps` : null],
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

function drawTrend(run, line, dots, others, axis) {
  const points = run.survival;
  if (points.length === 0) return;
  const end = points[points.length - 1].steps || 1;
  const most = Math.max(...points.map((it) => it.survival), ...run.baselines.map((it) => it.survival), 1) * 1.08;
  const x = (steps) => 34 + ((WIDTH - 40) * steps) / end;
  const y = (survival) => HEIGHT - 18 - ((HEIGHT - 24) * survival) / most;
  setAttribute(line, "points", points.map((it) => `${x(it.steps).toFixed(1)},${y(it.survival).toFixed(1)}`).join(" "));
  // A line needs two points; until then, and while there are few, each can be seen.
  const few = points.length <= 12 ? points : [];
  dots.replaceChildren(...few.map((it) => svg("circle", { class: "dot", cx: x(it.steps), cy: y(it.survival), r: 2.5 })));
  others.replaceChildren(
    ...run.baselines.map((it) => svg("line", { class: "baseline", x1: 34, x2: WIDTH - 6, y1: y(it.survival), y2: y(it.survival) })),
    ...together(run.baselines, (it) => y(it.survival)).map(({ at, members }) =>
      svg("text", { x: 38, y: at - 3 }, members.map((it) => it.name).join(", ")),
    ),
  );
  axis.replaceChildren(
    svg("line", { x1: 34, x2: WIDTH - 6, y1: y(0), y2: y(0) }),
    svg("text", { x: 30, y: y(0), class: "left" }, "0"),
    svg("text", { x: 30, y: y(most / 1.08) + 4, class: "left" }, short(most / 1.08)),
    svg("text", { x: WIDTH - 6, y: HEIGHT - 4, class: "left" }, `${count(end)} steps`),
  );
}

/** Groups of those whose labels would lie on each other, from the top down, and where to write each group's. */
function together(all, place) {
  const groups = [];
  for (const it of [...all].sort((a, b) => place(a) - place(b))) {
    const last = groups[groups.length - 1];
    if (last && place(it) - last.lowest < LABEL) {
      last.members.push(it);
      last.lowest = place(it);
    } else groups.push({ at: place(it), lowest: place(it), members: [it] });
  }
  return groups;
}
