//! Prints the shaders of the conformance programs, with a NUL after each: `tests/browser/shaders.test.mjs` has Chromium
//! compile them.

fn main() {
    for text in [false, true].into_iter().flat_map(conformance::shaders::shaders) {
        print!("{text}\0");
    }
}
