// The page of a server: what it says goes to the panels, what is clicked goes to it.

import { setText } from "./dom.js";
import { connect } from "./connection.js";
import { createControls } from "./controls.js";
import { createEnding } from "./ending.js";
import { createStage } from "./stage.js";

const find = (id) => document.getElementById(id);
const stage = createStage(find("stage"));
const send = (command, values) => {
  setText(find("complaint"), "");
  connection.send(command, values);
};
const ending = createEnding(document.body, () => send("next_episode"));
const controls = createControls(find("controls"), send, ending);
let forget = null;

const heard = {
  hello() {},
  catalogue(message) {
    stage.catalogue(message);
    controls.catalogue(message);
    ending.catalogue(message);
  },
  scene(message) {
    stage.scene(message);
    controls.scene(message);
    ending.scene(message);
    setText(find("headline"), message.level.description || message.level.name);
    document.title = `Townlet: ${message.level.name}`;
  },
  status(message) {
    controls.status(message);
    ending.status(message);
  },
  certificates(message) {
    stage.certificates(message.certificates);
  },
  frame(message) {
    stage.frame(message);
    controls.frame(message);
    ending.frame(message);
  },
  error({ message }) {
    setText(find("complaint"), message);
    clearTimeout(forget);
    forget = setTimeout(() => setText(find("complaint"), ""), 10_000);
  },
};

const STATES = {
  connected: "connected",
  lost: "not connected, trying again",
  locked: "locked: open the address that the program printed, which ends in ?token= and the token",
};

const connection = connect(
  "stream",
  (message) => heard[message.type]?.(message),
  (state) => {
    setText(find("connection"), STATES[state]);
    document.body.classList.toggle("offline", state !== "connected");
  },
);
