// The page in Firefox: the same rooms, the same numbers.

import { test } from "node:test";
import { worksIn } from "./support/elsewhere.mjs";
import { openFirefox } from "./support/webdriver.mjs";

if (process.env.FIREFOX) worksIn("Firefox", openFirefox);
else test("the page in Firefox", { skip: "$FIREFOX names no browser: `cargo xtask setup` says why" }, () => {});
