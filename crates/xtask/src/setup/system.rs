//! Programs that come from the system: Node, a browser, a Vulkan driver, Debian packages.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::run::{Cmd, Failure, Result, on_path, say};

/// The oldest Node that runs playwright-core 1.65.
const NODE_MAJOR: u32 = 20;

/// Node with npm.
pub(super) fn node() -> Result {
    let works = || node_major().is_some_and(|major| major >= NODE_MAJOR) && on_path(npm_name()).is_some();
    let hint = format!("Node {NODE_MAJOR} or newer with npm is needed; install it from your system's packages");
    or_packages(works, &["nodejs", "npm"], "they bundle the page and drive the tests", &hint)
}

fn npm_name() -> &'static str {
    // `on_path` adds `.exe` on Windows, where npm itself is a batch file beside node.
    if cfg!(windows) { "node" } else { "npm" }
}

fn node_major() -> Option<u32> {
    let version = Cmd::new("node").arg("--version").probe()?;
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

/// Python 3's program.
pub(super) const PYTHON: &str = if cfg!(windows) { "python" } else { "python3" };

/// Python 3 that can make environments.
pub(super) fn python() -> Result {
    let works = || Cmd::new(PYTHON).args(["-c", "import ensurepip, venv"]).probe().is_some();
    let hint = "Python 3 with its module venv is needed; install it from your system's packages";
    or_packages(works, &["python3", "python3-venv"], "what the page saves is tried in it", hint)
}

/// Chromium or Chrome, for the browser tests. `$CHROME` comes first.
pub(super) fn chromium() -> Result<PathBuf> {
    if let Some(chosen) = std::env::var_os("CHROME").filter(|v| !v.is_empty()).map(PathBuf::from) {
        return match chosen.is_file() {
            true => Ok(chosen),
            false => Err(Failure::new(format!("$CHROME names {}, which is no file", chosen.display()))),
        };
    }
    let hint = "no Chrome or Chromium was found for the browser tests; install one or set $CHROME to its program";
    or_packages(|| find_chromium().is_some(), &["chromium"], "the browser tests run in it", hint)?;
    find_chromium().ok_or_else(|| Failure::new(hint))
}

fn find_chromium() -> Option<PathBuf> {
    const NAMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    const PLACES: [&str; 4] = [
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        r"C:\Program Files\Google\Chrome\Application\chrome.exe",
        r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
    ];
    let installed = PLACES.iter().map(PathBuf::from).find(|path| path.is_file());
    NAMES.iter().find_map(|name| on_path(name)).or(installed)
}

/// A Vulkan driver, for the native tests of the GPU engine. Without one those tests fail by
/// themselves, so this only says so.
pub(super) fn vulkan() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let hint = "no Vulkan driver was found; the native tests of the GPU engine need one";
    let why = "the native tests of the GPU engine need a Vulkan driver";
    if let Err(failure) = or_packages(has_vulkan, &["mesa-vulkan-drivers", "libvulkan1"], why, hint) {
        say(format!("going on without Vulkan, GPU engine tests will fail: {failure}"));
    }
}

fn has_vulkan() -> bool {
    const ICD_FOLDERS: [&str; 3] = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].iter().any(|key| std::env::var_os(key).is_some());
    let not_empty = |dir: &&str| std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    named || ICD_FOLDERS.iter().any(not_empty)
}

/// Nothing to do if it `works`; otherwise Debian packages where there is apt, and `hint` elsewhere.
fn or_packages(works: impl Fn() -> bool, packages: &[&str], why: &str, hint: &str) -> Result {
    if works() {
        return Ok(());
    }
    if !has_apt() {
        return Err(Failure::new(hint));
    }
    install_packages(packages, why)?;
    if works() { Ok(()) } else { Err(Failure::new(hint)) }
}

/// Debian packages, by root only: anyone else is shown the line to run.
pub(super) fn install_packages(packages: &[&str], why: &str) -> Result {
    let install = apt(&["install", "--yes", "--no-install-recommends"]).args(packages);
    if !is_root() {
        return Err(Failure::new(format!(
            "missing {} ({why}); as root, run: apt-get update && {install}",
            packages.join(", ")
        )));
    }
    say(format!("Debian packages {}: {why}", packages.join(" ")));
    update_package_lists()?;
    install.run(&format!("install {}", packages.join(" ")))
}

fn update_package_lists() -> Result {
    static DONE: OnceLock<()> = OnceLock::new();
    if DONE.get().is_none() {
        apt(&["update", "--quiet"]).run("update Debian's package lists")?;
        let _ = DONE.set(());
    }
    Ok(())
}

fn apt(args: &[&str]) -> Cmd {
    Cmd::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive")
}

fn is_root() -> bool {
    Cmd::new("id").arg("-u").probe().as_deref() == Some("0")
}

/// Whether this system has Debian's package tool.
pub(super) fn has_apt() -> bool {
    on_path("apt-get").is_some()
}
