//! npm packages: exactly what the lock file says, without install scripts, once per lock file.

use std::fs;

use crate::places;
use crate::run::{Cmd, Context, Result, say};

/// Installs the packages of `folder` unless those of this lock file are there.
pub(crate) fn install(folder: &str, why: &str) -> Result {
    let dir = places::root().join(folder);
    let lock_path = dir.join("package-lock.json");
    let lock = fs::read(&lock_path).context(format!("reading {}", lock_path.display()))?;
    // A copy of the lock file inside node_modules says what was installed to the end.
    let installed = dir.join("node_modules/.installed-lock.json");
    if fs::read(&installed).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    say(format!("npm packages of {folder}: {why}"));
    Cmd::npm()
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .dir(&dir)
        .run(&format!("install the npm packages of {folder}"))?;
    fs::write(&installed, lock).context(format!("writing {}", installed.display()))
}
