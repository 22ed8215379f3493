// A page that holds an episode itself, and plays it without a server.

import { html, setText, uniqueId } from "./dom.js";
import { createStage } from "./stage.js";

const film = JSON.parse(document.getElementById("film").textContent);
const filmStage = createStage(document.getElementById("stage"));
const filmControls = document.getElementById("controls");
let position = 0;
let playing = null;

const playButton = html("button", { type: "button", class: "primary", onclick: togglePlaying }, "Play");
const stepButton = html("button", { type: "button", onclick: () => goTo(position + 1) }, "Step");
const startButton = html("button", { type: "button", onclick: () => goTo(0) }, "Restart");
const filmScrubber = html("input", { type: "range", min: 0, max: film.frames.length - 1, value: 0, id: uniqueId("field") });
const filmText = html("output", {});
const filmSpeed = html("select", { id: uniqueId("field") }, ...[2, 5, 10, 30].map((it) => html("option", { value: it }, `${it} steps/s`)));
filmSpeed.value = "5";
filmScrubber.addEventListener("input", () => goTo(Number(filmScrubber.value)));
filmSpeed.addEventListener("change", () => {
  if (playing !== null) {
    togglePlaying();
    togglePlaying();
  }
});
filmControls.replaceChildren(
  html("div", { class: "group" }, playButton, stepButton, startButton),
  html("div", { class: "field wide" }, html("label", { for: filmScrubber.id }, "Step"), filmScrubber, filmText),
  html("div", { class: "field" }, html("label", { for: filmSpeed.id }, "Speed"), filmSpeed),
);

function togglePlaying() {
  if (playing !== null) {
    clearInterval(playing);
    playing = null;
  } else {
    if (position === film.frames.length - 1) goTo(0);
    playing = setInterval(() => {
      goTo(position + 1);
      if (position === film.frames.length - 1) togglePlaying();
    }, 1000 / Number(filmSpeed.value));
  }
  setText(playButton, playing === null ? "Play" : "Pause");
}

function goTo(wanted) {
  const next = Math.max(0, Math.min(film.frames.length - 1, wanted));
  // Curves and memory need every frame on the way, from the start where the way is back.
  if (next < position) position = -1;
  if (next === 0) position = -1;
  for (let at = position + 1; at <= next; at += 1) filmStage.frame(film.frames[at]);
  position = next;
  filmScrubber.value = position;
  setText(filmText, `${position} of ${film.frames.length - 1}`);
  const ends = film.frames[position].lanes.map((lane) => lane.ended).filter(Boolean);
  filmStage.certificates(ends);
}

document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, button, summary, a")) return;
  if (event.key === " ") togglePlaying();
  else if (event.key === "ArrowRight" || event.key === "s") goTo(position + 1);
  else if (event.key === "ArrowLeft") goTo(position - 1);
  else if (event.key === "r") goTo(0);
  else return;
  event.preventDefault();
});

setText(document.getElementById("connection"), "an episode, played offline");
setText(document.getElementById("headline"), film.source);
filmStage.scene(film.scene);
goTo(0);
