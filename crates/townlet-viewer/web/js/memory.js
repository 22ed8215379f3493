// The memory: the hidden state of the network over time, and the step at which it changed much.

import { html, setAttribute, setText } from "./dom.js";
import { short } from "./format.js";
import { panel } from "./panel.js";

/** How many steps are shown. */
const COLUMNS = 120;
/** The height of the curve of changes below the heat map. */
const CURVE = 40;

/** The memory of one agent. Every frame must be given to `remember`, so that no column is missing. */
export function memoryPanel(scene, index) {
  const columns = [];
  const canvas = html("canvas", { role: "img", "aria-label": "Memory: nothing yet" });
  const note = html("p", { class: "note" });
  const wiped = scene.lanes[index] && !scene.lanes[index].keeps_memory;
  const explanation = [
    "The network has a memory: some numbers between −1 and 1 that it changes with every observation. Each row is one of them, " +
      "each column a step, the newest at the right. Blue is below zero, orange above; full colour is the strongest that is shown.",
    "Nobody told it what to keep. A column where many rows change at once is a moment it took notice of; the last such step is " +
      "marked. The curve below says how much changed in each step.",
  ];
  if (wiped) explanation.push("Here the memory is wiped before every step: the agent acts on what it sees now, and on nothing else.");
  const element = panel("memory", wiped ? "Memory (wiped)" : "Memory", explanation, canvas, note);

  return {
    element,
    remember(lane) {
      if (lane.step === 0) columns.length = 0;
      const { thought } = lane;
      if (!thought || thought.memory.length === 0) return;
      if (columns.length > 0 && columns[columns.length - 1].step >= lane.step) columns.length = 0;
      const strongest = thought.memory.reduce((most, unit) => Math.max(most, Math.abs(unit)), 0);
      columns.push({ step: lane.step, memory: thought.memory, strongest, change: thought.memory_change });
      if (columns.length > COLUMNS) columns.shift();
    },
    frame(lane) {
      const last = columns[columns.length - 1];
      if (!last) {
        setText(note, lane.ended ? "" : "This agent has no memory.");
        canvas.hidden = true;
        return;
      }
      canvas.hidden = false;
      const jump = lane.thought ? lane.thought.memory_jump : null;
      const strongest = Math.max(...columns.map((column) => column.strongest), 1e-6);
      draw(canvas, columns, strongest, jump);
      const jumped = jump === null ? "no large change yet" : `last large change at step ${jump}`;
      setText(note, `${last.memory.length} units up to ±${short(strongest)}, changed by ${short(last.change)}; ${jumped}`);
      setAttribute(canvas, "aria-label", `Memory: ${last.memory.length} units over ${columns.length} steps; ${jumped}`);
    },
  };
}

function draw(canvas, columns, strongest, jump) {
  const units = columns[columns.length - 1].memory.length;
  // Whole pixels a unit, so that rows are not blurred.
  const rowHeight = Math.max(1, Math.round(160 / units));
  const columnWidth = 5;
  const [width, mapHeight] = [COLUMNS * columnWidth, units * rowHeight];
  if (canvas.width !== width || canvas.height !== mapHeight + CURVE) {
    canvas.width = width;
    canvas.height = mapHeight + CURVE;
  }
  const style = getComputedStyle(canvas);
  const [zero, low, high] = ["--memory-zero", "--memory-low", "--memory-high"].map((name) => rgb(style.getPropertyValue(name)));
  const context = canvas.getContext("2d");
  const image = context.createImageData(COLUMNS, units);
  for (let column = 0; column < COLUMNS; column += 1) {
    const memory = column < columns.length ? columns[column].memory : null;
    for (let unit = 0; unit < units; unit += 1) {
      const value = memory ? (memory[unit] ?? 0) / strongest : 0;
      const toward = value < 0 ? low : high;
      const at = 4 * (unit * COLUMNS + column);
      for (let part = 0; part < 3; part += 1) {
        image.data[at + part] = zero[part] + (toward[part] - zero[part]) * Math.sqrt(Math.abs(value));
      }
      image.data[at + 3] = memory ? 255 : 0;
    }
  }
  const small = new OffscreenCanvas(COLUMNS, units);
  small.getContext("2d").putImageData(image, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, width, mapHeight);

  const most = Math.max(...columns.map((column) => column.change), 1e-6);
  context.fillStyle = style.color;
  columns.forEach((column, index) => {
    const height = (CURVE - 6) * (column.change / most);
    context.fillRect(index * columnWidth, canvas.height - height, columnWidth - 1, height);
  });
  const marked = columns.findIndex((column) => column.step === jump);
  if (marked >= 0) {
    context.fillStyle = style.getPropertyValue("--bad");
    context.fillRect(marked * columnWidth, 0, 2, canvas.height);
  }
}

/** The parts of a colour written #rrggbb. */
function rgb(colour) {
  const text = colour.trim();
  return [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16) || 0);
}
