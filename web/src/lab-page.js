// The page of the lab.

import "./lab/lab.js";
import "./ui/theme.js";

// ?backend=cpu or webgpu overrides the choice. The lab asks for it when it is first drawn, which is after this.
const backend = new URLSearchParams(location.search).get("backend");
if (backend) document.querySelector("pofx-lab")?.setAttribute("backend", backend);

// What works without a network comes once the page is alive.
addEventListener("load", () => void import("./offline/start.js").then(({ start }) => start()), { once: true });
