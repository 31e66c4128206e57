/** Which engine this JavaScript was built with: the same text stands in the engine's own file (`web/bundle.mjs`). */
declare const BUILD_ID: string;
/** How long that file is, and the SHA-256 of it. */
declare const ENGINE_BYTES: number;
declare const ENGINE_SHA256: string;

/** A text that is bundled as it is. */
declare module "*.py" {
  const text: string;
  export default text;
}
