//! Python packages: just those that a requirements file pins, in an environment of their own.

use std::fs;
use std::path::PathBuf;

use super::system;
use crate::places;
use crate::run::{Cmd, Context, Result, say};

/// The Python of an environment `name` in the per-user cache that has what `requirements` lists.
pub(super) fn environment(name: &str, requirements: &str, why: &str) -> Result<PathBuf> {
    let path = places::root().join(requirements);
    let wanted = fs::read(&path).context(format!("reading {}", path.display()))?;
    let folder = places::cache()?.join(format!("python-{name}"));
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    // A copy of the file inside says what was installed to the end.
    let installed = folder.join("installed.txt");
    if fs::read(&installed).is_ok_and(|installed| installed == wanted) && python.is_file() {
        return Ok(python);
    }
    system::python()?;
    say(format!("Python packages of {requirements}: {why}"));
    Cmd::new(system::PYTHON).args(["-m", "venv", "--clear"]).arg(&folder).run("make a Python environment")?;
    Cmd::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(&path)
        .run(&format!("install the Python packages of {requirements}"))?;
    fs::write(&installed, wanted).context(format!("writing {}", installed.display()))?;
    Ok(python)
}
