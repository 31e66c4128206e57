// The page in WebKit, as GTK has it: the same rooms, the same numbers.

import { test } from "node:test";
import { worksIn } from "./support/elsewhere.mjs";
import { openWebKit } from "./support/webdriver.mjs";

if (process.env.WEBKIT) worksIn("WebKit", openWebKit);
else test("the page in WebKit", { skip: "$WEBKIT names no browser: `cargo xtask setup` says why" }, () => {});
