//! Programs that come from the system: Node, Python, browsers, a Vulkan driver, Debian packages.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::run::{Cmd, Failure, Result, on_path, say};

/// The oldest Node that runs playwright-core 1.64.
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

/// Firefox. `$FIREFOX` comes first. Without one its tests are left out, so this only says so.
pub(super) fn firefox() -> Option<PathBuf> {
    let hint = "no Firefox was found; its tests are left out";
    optional(find_firefox, &["firefox-esr"], "the browser tests run in it, too", hint)
}

fn find_firefox() -> Option<PathBuf> {
    const PLACES: [&str; 2] =
        ["/Applications/Firefox.app/Contents/MacOS/firefox", r"C:\Program Files\Mozilla Firefox\firefox.exe"];
    let chosen = std::env::var_os("FIREFOX").map(PathBuf::from).filter(|path| path.is_file());
    let installed = || PLACES.iter().map(PathBuf::from).find(|path| path.is_file());
    chosen.or_else(|| ["firefox-esr", "firefox"].iter().find_map(|name| on_path(name))).or_else(installed)
}

/// WebKitGTK: its driver and its small browser, with a display for it. Without them its tests are left out.
pub(super) fn webkit() -> Option<[(&'static str, PathBuf); 2]> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let find = || {
        on_path("Xvfb")?;
        Some([("WEBKIT", on_path("WebKitWebDriver")?), ("MINIBROWSER", mini_browser()?)])
    };
    let hint = "no WebKitGTK with its driver and Xvfb was found; the tests in WebKit are left out";
    optional(find, &["webkit2gtk-driver", "xvfb"], "the browser tests run in WebKit, too", hint)
}

/// Below /usr/lib or /usr/lib/<architecture>, or /usr/libexec, in a folder named after the version of its interface.
fn mini_browser() -> Option<PathBuf> {
    let folders = |dir: PathBuf| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let libraries = ["/usr/libexec", "/usr/lib"].map(PathBuf::from).into_iter().flat_map(folders);
    let programs = libraries.flat_map(|path| {
        let deeper = folders(path.clone()).filter(|path| path.is_dir());
        deeper.chain([path]).map(|path| path.join("MiniBrowser")).collect::<Vec<_>>()
    });
    programs.filter(|path| path.is_file()).max()
}

/// Python with `venv`.
pub(super) fn python() -> Result<PathBuf> {
    let names = ["python3", "python"];
    let works = |path: &PathBuf| Cmd::new(path).args(["-c", "import ensurepip"]).probe().is_some();
    let find = || names.iter().find_map(|name| on_path(name).filter(works));
    let hint = "Python 3.11 or newer with venv is needed; install it from your system's packages";
    or_packages(
        || find().is_some(),
        &["python3", "python3-venv"],
        "it builds an example of the element, and tries what the page saves",
        hint,
    )?;
    find().ok_or_else(|| Failure::new(hint))
}

/// What tests can do without: it is installed where that is possible, else said to be missing.
fn optional<T>(find: impl Fn() -> Option<T>, packages: &[&str], why: &str, hint: &str) -> Option<T> {
    if let Err(failure) = or_packages(|| find().is_some(), packages, why, hint) {
        say(format!("going on without {}: {failure}", packages.join(" and ")));
    }
    find()
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
