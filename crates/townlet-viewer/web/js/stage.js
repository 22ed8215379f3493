// All panels together: one column of panels for each agent, and what they share.

import { html, setText, uniqueId } from "./dom.js";
import { weights } from "./format.js";
import { deathsPanel } from "./deaths.js";
import { guidePanel } from "./guide.js";
import { memoryPanel } from "./memory.js";
import { metersPanel } from "./meters.js";
import { placesPanel } from "./places.js";
import { rewardsPanel } from "./rewards.js";
import { runPanel } from "./run.js";
import { survivalPanel } from "./survival.js";
import { townPanel } from "./town.js";
import { valuesPanel } from "./values.js";

/** Shows a session in `root`: give it scenes, frames and the rest as they come. */
export function createStage(root) {
  const lanes = html("div", { class: "lanes" });
  const deaths = deathsPanel();
  const run = runPanel();
  run.element.hidden = true;
  const heading = html("h2", { class: "unseen" }, "The session");
  const shared = html("div", { class: "shared" }, heading, deaths.element, run.element);
  root.replaceChildren(lanes, shared);

  let scene = null;
  let known = null;
  let shown = [];
  let waiting = null;
  let scheduled = false;

  function build() {
    shown = scene.lanes.map((facts, index) => {
      const panels = [
        townPanel(scene),
        metersPanel(scene),
        ...(scene.mode === "play" ? [guidePanel(scene)] : [valuesPanel(scene)]),
        ...(scene.mode === "watch" ? [memoryPanel(scene, index)] : []),
        ...(scene.mode === "play" ? [survivalPanel(scene)] : []),
        rewardsPanel(scene),
        placesPanel(scene),
      ];
      const id = facts.checkpoint ?? "";
      const label = facts.trained_steps ? weights({ id, label: id, steps: facts.trained_steps }) : id;
      const trained = facts.trained_steps === null || label === facts.title ? "" : ` (${label})`;
      const subtitle = html("span", { class: "subtitle" }, trained);
      const verdict = html("span", { class: "verdict" });
      const title = html("span", { id: uniqueId("lane") }, facts.title);
      // Side by side, a panel's name alone would not say whose it is.
      for (const { element } of panels) {
        element.setAttribute("aria-labelledby", `${element.getAttribute("aria-labelledby")} ${title.id}`);
      }
      const element = html(
        "div",
        { class: "lane" },
        html("h2", {}, title, subtitle, verdict),
        html("div", { class: "panels" }, ...panels.map((it) => it.element)),
      );
      return { element, panels, verdict };
    });
    tell();
    lanes.replaceChildren(...shown.map((lane) => lane.element));
    root.classList.toggle("two", scene.lanes.length > 1);
  }

  function tell() {
    if (!known) return;
    for (const panel of shown.flatMap((lane) => lane.panels)) panel.catalogue?.(known);
  }

  function render() {
    scheduled = false;
    const frame = waiting;
    if (!frame || !scene || frame.scene !== scene.id) return;
    frame.lanes.forEach((lane, index) => {
      for (const panel of shown[index].panels) panel.frame(lane);
      const { ended } = lane;
      const verdict = !ended ? "" : ended.died ? `died of ${ended.causes.join(" and ")} after ${ended.steps} steps` : `lived to the limit of ${ended.steps} steps`;
      setText(shown[index].verdict, verdict);
      shown[index].verdict.classList.toggle("lived", Boolean(ended && !ended.died));
    });
  }

  return {
    /** Whatever stays the same from frame to frame has changed. */
    scene(next) {
      scene = next;
      waiting = null;
      build();
    },
    /** A frame has come. It is drawn with the next picture of the screen, unless another comes first. */
    frame(frame) {
      if (!scene || frame.scene !== scene.id) return;
      waiting = frame;
      frame.lanes.forEach((lane, index) => {
        for (const panel of shown[index].panels) panel.remember?.(lane);
      });
      if (!scheduled) {
        scheduled = true;
        requestAnimationFrame(render);
      }
    },
    certificates: (certificates) => deaths.certificates(certificates),
    catalogue(catalogue) {
      known = catalogue;
      run.catalogue(catalogue);
      tell();
    },
  };
}
