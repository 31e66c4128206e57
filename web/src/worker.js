import init, { version } from "./playground.js";

await init();
postMessage(version());
