//! Programs of crates.io, built from source at pinned versions into the per-user cache.

use std::path::{Path, PathBuf};

use crate::places;
use crate::run::{Cmd, Context, Result, on_path, say};

/// Must agree with `trunk-version` in Trunkfile.toml (a test holds them together).
const TRUNK: &str = "0.22.1";

/// Trunk, which builds `web/index.html` into `dist/`.
pub(crate) fn trunk() -> Result<PathBuf> {
    Tool {
        name: "trunk",
        crate_name: "trunk",
        version: TRUNK.into(),
        why: "it builds the page; about 5 minutes on two cores, once per user",
        // No update check: nothing phones home. The crate does not compile without a TLS feature.
        // It asks for a newer patch release of Rust than it uses.
        flags: &["--locked", "--no-default-features", "--features", "rustls", "--ignore-rust-version"],
        opt_level: "0",
    }
    .find_or_install()
}

/// wasm-bindgen's command line tool. Its file format changes with every release, so it has to be
/// the very version that is linked into the engine.
pub(crate) fn wasm_bindgen() -> Result<PathBuf> {
    Tool {
        name: "wasm-bindgen",
        crate_name: "wasm-bindgen-cli",
        version: places::locked_version("wasm-bindgen")?,
        why: "it writes the JavaScript side of the engine; about 2 minutes on two cores, once per user",
        // Not `--locked`: its lock file names versions that registry mirrors may lack.
        flags: &[],
        opt_level: "1",
    }
    .find_or_install()
}

/// mdBook, which builds one of the examples.
pub(crate) fn mdbook() -> Result<PathBuf> {
    Tool {
        name: "mdbook",
        crate_name: "mdbook",
        version: "0.5.4".into(),
        why: "it builds an example of the element; about a minute on two cores, once per user",
        flags: &["--locked", "--no-default-features"],
        opt_level: "0",
    }
    .find_or_install()
}

/// What speaks WebDriver to Firefox.
pub(crate) fn geckodriver() -> Result<PathBuf> {
    Tool {
        name: "geckodriver",
        crate_name: "geckodriver",
        version: "0.37.1".into(),
        why: "it drives Firefox in the browser tests; about 2 minutes on two cores, once per user",
        flags: &["--locked"],
        opt_level: "0",
    }
    .find_or_install()
}

/// cargo-deny, which reads the graph of the crates.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    Tool {
        name: "cargo-deny",
        crate_name: "cargo-deny",
        version: "0.20.2".into(),
        why: "it checks licences, sources and duplicates of the crates; about 4 minutes on two cores, once per user",
        flags: &["--locked"],
        opt_level: "0",
    }
    .find_or_install()
}

struct Tool {
    name: &'static str,
    crate_name: &'static str,
    version: String,
    why: &'static str,
    flags: &'static [&'static str],
    opt_level: &'static str,
}

impl Tool {
    fn find_or_install(&self) -> Result<PathBuf> {
        let own = places::cache()?.join(format!("{}-{}", self.name, self.version));
        let own_program = own.join("bin").join(format!("{}{}", self.name, std::env::consts::EXE_SUFFIX));
        if own_program.is_file() {
            return Ok(own_program);
        }
        match on_path(self.name) {
            Some(program) if self.is_right_version(&program) => Ok(program),
            _ => self.install(&own).map(|()| own_program),
        }
    }

    fn is_right_version(&self, program: &Path) -> bool {
        let said = Cmd::new(program).arg("--version").probe().unwrap_or_default();
        said.split_whitespace().any(|word| word == self.version)
    }

    /// The dev profile without debug information: a release build of Trunk alone takes more than
    /// 15 minutes on two cores, and these tools run for seconds.
    fn install(&self, own: &Path) -> Result {
        say(format!("{} {}: {}", self.crate_name, self.version, self.why));
        let cache = places::cache()?;
        std::fs::create_dir_all(&cache).context(format!("creating {}", cache.display()))?;
        let build = cache.join("build").join(format!("{}-{}", self.name, self.version));
        Cmd::cargo()
            .args(["install", self.crate_name, "--version", &format!("={}", self.version), "--debug"])
            .args(self.flags)
            .arg("--root")
            .arg(own)
            .env("CARGO_TARGET_DIR", &build)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", self.opt_level)
            .env("CARGO_INCREMENTAL", "0")
            // Outside of the repository, whose cargo configuration is for its own crates.
            .dir(&cache)
            .run(&format!("install {} {}", self.crate_name, self.version))?;
        // Kept until here so that an interrupted installation goes on where it stopped.
        let _ = std::fs::remove_dir_all(build);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trunkfile_names_the_trunk_that_is_installed() {
        let trunkfile = std::fs::read_to_string(places::root().join("Trunkfile.toml")).unwrap();
        assert!(trunkfile.contains(&format!("trunk-version = \"={TRUNK}\"")));
    }
}
