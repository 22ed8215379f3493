// The page of a server: what it says goes to the panels, what is clicked goes to it.

import { setText } from "./dom.js";
import { connect } from "./connection.js";
import { createControls } from "./controls.js";
import { createStage } from "./stage.js";

const find = (id) => document.getElementById(id);
const stage = createStage(find("stage"));
const controls = createControls(find("controls"), (command, values) => {
  setText(find("complaint"), "");
  connection.send(command, values);
});
let forget = null;

const heard = {
  hello() {},
  catalogue(message) {
    stage.catalogue(message);
    controls.catalogue(message);
  },
  scene(message) {
    stage.scene(message);
    controls.scene(message);
    setText(find("headline"), message.level.description || message.level.name);
    document.title = `Townlet: ${message.level.name}`;
  },
  status(message) {
    controls.status(message);
  },
  certificates(message) {
    stage.certificates(message.certificates);
  },
  frame(message) {
    stage.frame(message);
    controls.frame(message);
  },
  error({ message }) {
    setText(find("complaint"), message);
    clearTimeout(forget);
    forget = setTimeout(() => setText(find("complaint"), ""), 10_000);
  },
};

const connection = connect(
  "/stream",
  (message) => heard[message.type]?.(message),
  (connected) => {
    setText(find("connection"), connected ? "connected" : "not connected, trying again");
    document.body.classList.toggle("offline", !connected);
  },
);
