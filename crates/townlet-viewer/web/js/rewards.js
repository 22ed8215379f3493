// Rewards, and an interaction under way.

import { html, setAttribute, setText, svg } from "./dom.js";
import { short, words } from "./format.js";
import { panel } from "./panel.js";

const MOST_POINTS = 600;

/** The rewards of one agent. Every frame must be given to `remember`. */
export function rewardsPanel(scene) {
  const { level } = scene;
  const points = [];
  const total = html("strong", {});
  const last = html("span", {});
  const line = svg("polyline", { class: "line", "vector-effect": "non-scaling-stroke" });
  const curve = svg("svg", { class: "curve", viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img", "aria-label": "Sum of rewards over the steps of the episode" }, line);
  const label = html("span", {});
  const bar = html("progress", { max: 1, value: 0, "aria-label": "Interaction" });
  const explanation = [
    "Rewards are all that the agent is taught with. The built-in towns pay for steps survived and take for dying; nobody tells it how to survive.",
    "Some places have to be used several steps in a row before they help fully. The bar shows how far the agent has come at the place it stands on; " +
      "whoever leaves has to start over.",
  ];
  const element = panel(
    "rewards",
    "Rewards and progress",
    explanation,
    html("p", {}, "Sum ", total, ", last step ", last),
    curve,
    html("p", { class: "progress" }, label, bar),
  );

  return {
    element,
    remember(lane) {
      if (lane.step === 0) points.length = 0;
      points.push([lane.step, lane.total_reward]);
      if (points.length > MOST_POINTS) points.shift();
    },
    frame(lane) {
      setText(total, short(lane.total_reward));
      setText(last, lane.taken ? short(lane.taken.reward) : "none");
      const [first, end] = [points[0][0], Math.max(points[points.length - 1][0], points[0][0] + 1)];
      const sums = points.map((point) => point[1]);
      const [least, most] = [Math.min(0, ...sums), Math.max(1, ...sums)];
      const place = ([step, sum]) => `${(100 * (step - first)) / (end - first)},${38 - (36 * (sum - least)) / (most - least)}`;
      setAttribute(line, "points", points.map(place).join(" "));
      const { progress } = lane;
      if (progress) {
        const completed = lane.taken && lane.taken.completed;
        const done = completed ? progress.required : progress.done;
        setText(label, `${words(level.places[progress.place].name)}: ${done} of ${progress.required}${completed ? ", complete" : ""}`);
        bar.value = done / progress.required;
      } else {
        setText(label, "On no place");
        bar.value = 0;
      }
    },
  };
}
