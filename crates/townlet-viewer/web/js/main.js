import {} from "./dom.js";
