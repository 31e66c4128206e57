//! The page: `web/` and the engine, built by Trunk into `dist/`.

use crate::places;
use crate::run::{Cmd, Result, say};
use crate::setup::{self, PageTools};

/// How the engine is compiled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Profile {
    /// What is published: optimised, linked as one, shrunk.
    Ship,
    /// Quick to build, slow to run.
    Dev,
}

impl Profile {
    pub(crate) fn from_args(args: &[&str]) -> Result<Self> {
        let flags = crate::flags(args, &["--dev"])?;
        Ok(if flags.is_empty() { Profile::Ship } else { Profile::Dev })
    }

    fn trunk_args(self) -> &'static [&'static str] {
        match self {
            Profile::Ship => &["--release", "--cargo-profile", "wasm"],
            Profile::Dev => &[],
        }
    }
}

/// `cargo xtask build`
pub(crate) fn build(profile: Profile) -> Result {
    let tools = setup::for_page()?;
    say("page: Trunk compiles the engine to WebAssembly (minutes the first time) and bundles the page into dist/");
    trunk(&tools, "build", profile).run("build the page")
}

/// `cargo xtask pack`
pub(crate) fn pack() -> Result {
    build(Profile::Ship)?;
    Cmd::new("node").arg("web/pack.mjs").dir(places::root()).run("make the npm package")
}

/// A Trunk command for this repository.
pub(crate) fn trunk(tools: &PageTools, verb: &str, profile: Profile) -> Cmd {
    let cmd = Cmd::new(&tools.trunk)
        .args(["--config", "Trunkfile.toml", "--skip-version-check", verb])
        .args(profile.trunk_args())
        // Trunk prints its own stack below an error of the compiler, which then scrolls away.
        .env("RUST_BACKTRACE", "0")
        .dir(places::root());
    tools.apply(cmd)
}
