// Buttons, sliders and keys.

import { html, setAttribute, setOptions, setText, uniqueId } from "./dom.js";
import { short, weights } from "./format.js";

const MOVES = { ArrowUp: "UP", ArrowDown: "DOWN", ArrowLeft: "LEFT", ArrowRight: "RIGHT", " ": "INTERACT" };
/** Where keys go in a recorded episode, from its step and its last one. */
const SEEKS = {
  ArrowLeft: (step) => step - 1,
  ArrowRight: (step) => step + 1,
  PageUp: (step) => step - 20,
  PageDown: (step) => step + 20,
  Home: () => 0,
  End: (step, last) => last,
};
const KEYS = {
  watch: "Space plays and pauses, S takes a step, R restarts, + and − change the speed, M shows the agent beside itself with its memory wiped.",
  play: "The arrow keys move you, space uses the place that you stand on, R begins the first episode again. You cannot wait: every step is an action.",
  replay: "Space plays and pauses, ← and → go a step back and on, Page Up and Page Down twenty, Home and End to the start and the end, [ and ] to the episode before and after, + and − change the speed.",
};
const FOLLOW = "";
/** Who may be beside the agent that is no other checkpoint. */
const WITHOUT_CHECKPOINT = { nobody: "nobody", memory_wiped: "the same, memory wiped" };
/** How long sliders wait between two messages, in milliseconds: the server refuses more than 40 a second. */
const BREATH = 60;

/** The controls, in `root`. `send` passes a command on, and `ending` has its keys while an episode is over. */
export function createControls(root, send, ending) {
  let status = null;
  let scene = null;
  let step = 0;

  const button = (label, act, attributes = {}) => html("button", { type: "button", onclick: act, ...attributes }, label);
  const field = (label, input, ...more) => {
    input.id = uniqueId("field");
    return html("div", { class: "field" }, html("label", { for: input.id }, label), input, ...more);
  };
  // A slider that is dragged says a lot; the last word is always sent.
  const timers = new Map();
  const sendSoon = (command, values) => {
    const waits = timers.has(command);
    timers.set(command, values);
    if (waits) return;
    send(command, values());
    setTimeout(() => {
      const last = timers.get(command);
      timers.delete(command);
      if (last !== values) sendSoon(command, last);
    }, BREATH);
  };
  const toggle = () => send(status && status.paused ? "play" : "pause");

  const play = button("Play", toggle, { class: "primary" });
  const forward = button("Step", () => send("step"));
  const restart = button("Restart", () => send("restart"));
  const finish = button("To the end", () => send("finish_episode"));

  const speed = html("input", { type: "range", min: 0, max: 100, step: 1 });
  const speedText = html("output", {});
  // Even steps of the slider are even factors of speed.
  const toSpeed = (value) => Math.round(200 ** (value / 100));
  const fromSpeed = (value) => Math.round((100 * Math.log(value)) / Math.log(200));
  speed.addEventListener("input", () => sendSoon("speed", () => ({ steps_per_second: toSpeed(Number(speed.value)) })));

  const seed = html("input", { type: "number", min: 0, step: 1, inputmode: "numeric" });
  seed.addEventListener("change", () => {
    if (seed.validity.valid && seed.value !== "") send("seed", { seed: Number(seed.value) });
  });
  const epsilon = html("input", { type: "range", min: 0, max: 1, step: 0.01 });
  const epsilonText = html("output", {});
  epsilon.addEventListener("input", () => sendSoon("epsilon", () => ({ epsilon: Number(epsilon.value) })));

  const level = html("select", { onchange: () => send("level", { level: level.value }) });
  const checkpoint = html("select", {
    onchange: () => {
      if (checkpoint.value === FOLLOW) send("follow", { enabled: true });
      else send("checkpoint", { checkpoint: checkpoint.value });
    },
  });
  const wiped = button("Memory kept | wiped", () => {
    const who = status.beside.who === "memory_wiped" ? "nobody" : "memory_wiped";
    send("side_by_side", { beside: { who } });
  }, { class: "lesson", title: "The same network twice, once with its memory wiped before every step" });
  const beside = html("select", {
    onchange: () => {
      const it = Object.hasOwn(WITHOUT_CHECKPOINT, beside.value) ? { who: beside.value } : { who: "checkpoint", checkpoint: beside.value };
      send("side_by_side", { beside: it });
    },
  });

  const scrubber = html("input", { type: "range", min: 0, step: 1 });
  const scrubberText = html("output", {});
  scrubber.addEventListener("input", () => sendSoon("seek", () => ({ step: Number(scrubber.value) })));
  const episode = html("select", { onchange: () => send("episode", { episode: Number(episode.value) }) });

  const moves = html(
    "div",
    { class: "moves", role: "group", "aria-label": "Your next action" },
    ...["UP", "DOWN", "LEFT", "RIGHT", "INTERACT"].map((action, index) =>
      button(action, () => send("act", { action: index }), { class: `move ${action.toLowerCase()}` }),
    ),
  );
  const keysText = html("p", {});
  const keys = html("details", { class: "keys" }, html("summary", {}, "Keys"), keysText);

  const groups = {
    drive: html("div", { class: "group" }, play, forward, restart, finish),
    speed: field("Speed", speed, speedText),
    seed: field("Seed", seed),
    epsilon: field("Epsilon", epsilon, epsilonText),
    level: field("Level", level),
    checkpoint: field("Checkpoint", checkpoint),
    wiped,
    beside: field("Beside it", beside),
    scrubber: field("Step", scrubber, scrubberText),
    episode: field("Episode", episode),
    moves,
  };
  groups.scrubber.classList.add("wide");
  root.replaceChildren(...Object.values(groups), keys);

  // What was clicked gives the focus back, so that the next key means what it means everywhere: space acts, and does
  // not press the same button once more. Whoever goes from button to button with the keyboard keeps it.
  let byPointer = false;
  const giveBack = (event) => {
    const it = event.target.closest("button, summary, select, input[type=range], .scroll");
    if (byPointer && it && it === document.activeElement) it.blur();
  };
  document.addEventListener("pointerdown", () => { byPointer = true; }, true);
  document.addEventListener("keydown", () => { byPointer = false; }, true);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("select")) giveBack(event);
  });
  document.addEventListener("change", giveBack);

  document.addEventListener("keydown", (event) => {
    if (!status || event.ctrlKey || event.altKey || event.metaKey) return;
    // Keys that an element with the focus uses itself are left to it.
    const own = event.target.closest("input, select, textarea, [role=group]");
    const pressed = event.target.closest("button, summary, a");
    if (status.mode === "play") {
      const action = scene ? scene.level.actions.indexOf(MOVES[event.key]) : -1;
      if (ending.takes(event, action >= 0)) {
        event.preventDefault();
        return;
      }
      if (action >= 0 && !(own && !own.classList.contains("moves")) && !(pressed && event.key === " ")) {
        event.preventDefault();
        send("act", { action });
        return;
      }
    }
    if (status.mode === "replay" && !own) {
      const { replay } = status;
      const count = scene ? scene.recorded_episodes.length : 1;
      const next = replay.episode + { "[": -1, "]": 1 }[event.key];
      if (event.key in SEEKS) {
        send("seek", { step: Math.max(0, Math.min(replay.steps, SEEKS[event.key](step, replay.steps))) });
        event.preventDefault();
        return;
      }
      if (next >= 0 && next < count) send("episode", { episode: next });
    }
    if (own && !own.classList.contains("moves")) return;
    const key = event.key.toLowerCase();
    if (key === " " && !pressed && status.mode !== "play") toggle();
    else if (key === "s" && status.mode !== "play") send("step");
    else if (key === "r") send("restart");
    else if (key === "m" && status.mode === "watch") wiped.click();
    else if ((key === "+" || key === "-") && status.mode !== "play") {
      const faster = key === "+" ? Math.ceil(status.speed * 1.5) : Math.floor(status.speed / 1.5);
      send("speed", { steps_per_second: Math.max(1, Math.min(200, faster)) });
    } else return;
    event.preventDefault();
  });

  function show() {
    const mode = status.mode;
    const shown = {
      drive: true,
      speed: mode !== "play",
      seed: mode !== "replay",
      epsilon: mode === "watch",
      level: mode !== "replay" && !status.recording,
      checkpoint: mode === "watch",
      wiped: mode === "watch",
      beside: mode === "watch",
      scrubber: mode === "replay",
      episode: mode === "replay" && scene && scene.recorded_episodes.length > 1,
      moves: mode === "play",
    };
    for (const [name, element] of Object.entries(groups)) element.hidden = !shown[name];
    for (const control of [play, forward, finish]) control.hidden = mode === "play";
    setText(keysText, KEYS[mode]);
  }

  return {
    scene(next) {
      scene = next;
      setOptions(episode, scene.recorded_episodes.map(episodeName), "0");
      if (status) show();
    },
    catalogue({ levels, checkpoints, run }) {
      const named = checkpoints.map((it) => [it.id, weights(it)]);
      const latest = checkpoints[checkpoints.length - 1];
      const followed = run.training ? "the newest, as it trains" : latest ? latest.label : "none";
      setOptions(level, levels.map((name) => [name, name]), status ? status.level : levels[0]);
      setOptions(checkpoint, [[FOLLOW, `automatic: ${followed}`], ...named], FOLLOW);
      setOptions(beside, [...Object.entries(WITHOUT_CHECKPOINT), ...named], "nobody");
      if (status) this.status(status);
    },
    status(next) {
      status = next;
      setText(play, status.paused ? "Play" : "Pause");
      setText(speedText, `${status.speed} steps/s`);
      if (document.activeElement !== speed) speed.value = fromSpeed(status.speed);
      setAttribute(speed, "aria-valuetext", `${status.speed} steps a second`);
      if (document.activeElement !== seed) seed.value = status.seed;
      setText(epsilonText, short(status.epsilon));
      if (document.activeElement !== epsilon) epsilon.value = status.epsilon;
      level.value = status.level;
      checkpoint.value = status.follow ? FOLLOW : (status.checkpoint ?? FOLLOW);
      setAttribute(wiped, "aria-pressed", String(status.beside.who === "memory_wiped"));
      beside.value = status.beside.who === "checkpoint" ? status.beside.checkpoint : status.beside.who;
      if (status.replay) {
        setAttribute(scrubber, "max", status.replay.steps);
        episode.value = String(status.replay.episode);
      }
      show();
    },
    frame(frame) {
      step = frame.lanes[0].step;
      if (status && status.mode === "replay") {
        if (document.activeElement !== scrubber || Number(scrubber.value) !== step) scrubber.value = step;
        setText(scrubberText, `${step} of ${status.replay.steps}`);
      }
    },
  };
}

/** An option for a recorded episode, counted from 1, with its name where that says more. */
function episodeName(name, index, all) {
  const more = /^episode \d+$/i.test(name) ? "" : `: ${name}`;
  return [String(index), `${index + 1} of ${all.length}${more}`];
}
