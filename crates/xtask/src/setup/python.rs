//! A Python environment of exact versions, once per list of them.

use std::fs;
use std::path::PathBuf;

use super::system;
use crate::places;
use crate::run::{Cmd, Context, Result, say};

const REQUIREMENTS: &str = "web/npm/examples/jupyter/requirements.txt";

/// Jupyter with nbconvert and a kernel, which builds one of the examples.
pub(super) fn jupyter() -> Result<PathBuf> {
    let list = places::root().join(REQUIREMENTS);
    let wanted = fs::read(&list).context(format!("reading {REQUIREMENTS}"))?;
    let folder = places::root().join("target/jupyter");
    let programs = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let jupyter = programs.join(format!("jupyter{}", std::env::consts::EXE_SUFFIX));
    // Written last, so it says what was installed to the end.
    let installed = folder.join("installed.txt");
    if fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(jupyter);
    }
    let python = system::python()?;
    say(format!("Python packages of {REQUIREMENTS}: they build an example of the element; half a minute"));
    Cmd::new(python).args(["-m", "venv", "--clear"]).arg(&folder).run("make a Python environment")?;
    Cmd::new(programs.join("python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(&list)
        .run("install the Python packages")?;
    fs::write(&installed, wanted).context(format!("writing {}", installed.display()))?;
    Ok(jupyter)
}
