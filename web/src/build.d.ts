/** Which engine this JavaScript was built with: the same text stands in the engine's own file (`web/bundle.mjs`). */
declare const BUILD_ID: string;
