//! What the other verbs need. Every step looks first, says what it does and why, and does it once.

mod npm;
mod python;
mod system;
mod tools;
mod wasm;

use std::ffi::OsString;
use std::path::PathBuf;

use crate::run::{Cmd, Result};

/// `cargo xtask setup`: all of it.
pub(crate) fn everything() -> Result {
    for_page()?;
    for_native_tests();
    for_supply_checks()?;
    for_browser_tests()?;
    eprintln!("xtask: everything is in place");
    Ok(())
}

/// The tools that build the page, as an environment for Trunk.
pub(crate) struct PageTools {
    pub(crate) trunk: PathBuf,
    env: Vec<(String, OsString)>,
}

impl PageTools {
    /// A command in the environment of the wasm build: its toolchain, its tools, its target folder.
    pub(crate) fn apply(&self, cmd: Cmd) -> Cmd {
        // RUSTFLAGS would replace the flags of .cargo/config.toml, a toolchain name those of `env`.
        let cmd = cmd.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        self.env.iter().fold(cmd, |cmd, (key, value)| cmd.env(key, value))
    }
}

/// What building the page needs.
pub(crate) fn for_page() -> Result<PageTools> {
    system::node()?;
    npm::install("web", "the page's libraries, its bundler and wasm-opt")?;
    let toolchain = wasm::toolchain()?;
    let bindgen = tools::wasm_bindgen()?;
    let trunk = tools::trunk()?;

    let mut path: Vec<PathBuf> = toolchain.bin.into_iter().collect();
    path.extend(bindgen.parent().map(PathBuf::from));
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut env = toolchain.env;
    env.push(("PATH".into(), std::env::join_paths(path).unwrap_or_default()));
    // Its own target folder: two compilers in one folder rebuild each other's work.
    env.push(("CARGO_TARGET_DIR".into(), crate::places::root().join("target/wasm").into()));
    Ok(PageTools { trunk, env })
}

/// What the native tests need beyond cargo: a Vulkan driver for the WebGPU engine.
pub(crate) fn for_native_tests() {
    system::vulkan();
}

/// What the checks of crates and npm packages need. Returns cargo-deny.
pub(crate) fn for_supply_checks() -> Result<PathBuf> {
    system::node()?;
    tools::cargo_deny()
}

/// Chromium, and what drives it. Returns the browser.
fn for_browser() -> Result<PathBuf> {
    system::node()?;
    npm::install("tests/browser", "the libraries that drive the browsers")?;
    system::chromium()
}

/// What the browser tests need, as the variables that tell them where it is.
pub(crate) fn for_browser_tests() -> Result<Vec<(&'static str, PathBuf)>> {
    let mut env = vec![("CHROME", for_browser()?)];
    if let Some(firefox) = system::firefox() {
        env.extend([("FIREFOX", firefox), ("GECKODRIVER", tools::geckodriver()?)]);
    }
    env.extend(system::webkit().into_iter().flatten());
    for example in ["docusaurus", "observable"] {
        npm::install(&format!("web/npm/examples/{example}"), "an example of the element is built with it")?;
    }
    let jupyter = "they build an example of the element; half a minute";
    let jupyter = python::environment("jupyter", "web/npm/examples/jupyter/requirements.txt", jupyter)?;
    let referee = "onnxruntime judges the files that the page saves, 90 MB";
    let referee = python::environment("referee", "tests/referee/requirements.txt", referee)?;
    env.extend([
        ("MDBOOK", tools::mdbook()?),
        ("JUPYTER", jupyter.program("jupyter")),
        ("REFEREE", referee.program("python")),
    ]);
    Ok(env)
}

/// What the benchmark needs beyond the page: the browser, and the libraries it is compared with. Returns the browser.
pub(crate) fn for_benchmark() -> Result<PathBuf> {
    npm::install("tests/browser/bench", "the libraries to be compared with, 250 MB")?;
    for_browser()
}
