//! Python environments of exact versions, each made once per list of them.

use std::fs;
use std::path::PathBuf;

use super::system;
use crate::places;
use crate::run::{Cmd, Context, Result, say};

/// An environment that is there.
pub(super) struct Environment {
    programs: PathBuf,
}

impl Environment {
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }
}

/// The environment `target/<name>` with what the file `requirements` pins.
pub(super) fn environment(name: &str, requirements: &str, why: &str) -> Result<Environment> {
    let list = places::root().join(requirements);
    let wanted = fs::read(&list).context(format!("reading {requirements}"))?;
    let folder = places::root().join("target").join(name);
    let environment = Environment { programs: folder.join(if cfg!(windows) { "Scripts" } else { "bin" }) };
    // Written last, so it says what was installed to the end.
    let installed = folder.join("installed.txt");
    if fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(environment);
    }
    let python = system::python()?;
    say(format!("Python packages of {requirements}: {why}"));
    Cmd::new(python).args(["-m", "venv", "--clear"]).arg(&folder).run("make a Python environment")?;
    Cmd::new(environment.program("python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(&list)
        .run("install the Python packages")?;
    fs::write(&installed, wanted).context(format!("writing {}", installed.display()))?;
    Ok(environment)
}
