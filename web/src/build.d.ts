/** Which engine this JavaScript was built with: the same text stands in the engine's own file (`web/bundle.mjs`). */
declare const BUILD_ID: string;

/** A text that is bundled as it is. */
declare module "*.py" {
  const text: string;
  export default text;
}
