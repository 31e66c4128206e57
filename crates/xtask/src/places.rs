//! Where things are: the repository, and the per-user cache that clones share.

use std::env;
use std::path::PathBuf;

use crate::run::{Failure, Result};

/// The root of the repository: of the one that cargo was called in, since clones may share a target folder.
pub(crate) fn root() -> PathBuf {
    let built = || env!("CARGO_MANIFEST_DIR").into();
    let here = env::var_os("CARGO_MANIFEST_DIR").map_or_else(built, PathBuf::from);
    here.ancestors().nth(2).unwrap_or(&here).to_owned()
}

/// The folder for tools that are built once per user. Every folder in it carries its version, so
/// nothing in it is ever changed, only added.
pub(crate) fn cache() -> Result<PathBuf> {
    let var = |key: &str| env::var_os(key).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = || var("HOME").or_else(|| var("USERPROFILE"));
    let base = if cfg!(windows) {
        var("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Caches"))
    } else {
        var("XDG_CACHE_HOME").or_else(|| home().map(|home| home.join(".cache")))
    };
    base.map(|base| base.join("p-of-x")).ok_or_else(|| Failure::new("no folder for tools: set HOME or XDG_CACHE_HOME"))
}

/// The version of a crate in Cargo.lock.
pub(crate) fn locked_version(name: &str) -> Result<String> {
    let path = root().join("Cargo.lock");
    let lock = std::fs::read_to_string(&path).unwrap_or_default();
    version_in_lock(&lock, name).ok_or_else(|| {
        Failure::new(format!("{} has no version of {name}; run `cargo generate-lockfile`", path.display()))
    })
}

fn version_in_lock(lock: &str, name: &str) -> Option<String> {
    let entry = lock.split("[[package]]").find(|e| e.lines().any(|l| l == format!("name = \"{name}\"")))?;
    let version = entry.lines().find_map(|line| line.strip_prefix("version = \""))?;
    Some(version.trim_end_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(root().join("Cargo.lock").is_file());
    }

    #[test]
    fn versions_come_from_the_lock_file() {
        let lock = "[[package]]\nname = \"wasm-bindgen-shared\"\nversion = \"9.9.9\"\n\n[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(version_in_lock(lock, "wasm-bindgen").as_deref(), Some("0.2.130"));
        assert_eq!(version_in_lock(lock, "wasm"), None);
    }
}
