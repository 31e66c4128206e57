//! A Rust toolchain that compiles for wasm32-unknown-unknown.
//!
//! Three ways, the first that works: the toolchain in use has the target; rustup adds it; Debian's
//! `rustc-web` with a standard library built here from Debian's own source. The last is for
//! machines where rustup is told to download nothing (`RUSTUP_AUTO_INSTALL=0`).

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::system;
use crate::places;
use crate::run::{Cmd, Context, Failure, Result, on_path, say};

const TARGET: &str = "wasm32-unknown-unknown";
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm"];
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";

/// How the wasm build differs from a native one.
#[derive(Default)]
pub(super) struct Toolchain {
    /// A folder to put first on PATH.
    pub(super) bin: Option<PathBuf>,
    pub(super) env: Vec<(String, OsString)>,
}

pub(super) fn toolchain() -> Result<Toolchain> {
    if active_toolchain_has_target() {
        return Ok(Toolchain::default());
    }
    if rustup_may_download() {
        say(format!("Rust target {TARGET}: the engine of the page is compiled for it"));
        Cmd::new("rustup").args(["target", "add", TARGET]).run("add the wasm target to Rust")?;
        if active_toolchain_has_target() {
            return Ok(Toolchain::default());
        }
    }
    if !system::has_apt() {
        return Err(Failure::new(format!(
            "this Rust has no standard library for {TARGET}; run `rustup target add {TARGET}` where rustup may download"
        )));
    }
    debian()
}

/// Whether the standard library for the target is there: the one thing that decides.
fn active_toolchain_has_target() -> bool {
    let libdir = Cmd::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).probe();
    libdir.is_some_and(|dir| has_std(Path::new(&dir)))
}

fn has_std(libdir: &Path) -> bool {
    let Ok(entries) = fs::read_dir(libdir) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}

fn rustup_may_download() -> bool {
    on_path("rustup").is_some() && std::env::var("RUSTUP_AUTO_INSTALL").as_deref() != Ok("0")
}

/// Debian's compiler with a sysroot in the per-user cache: nothing is written below /usr.
fn debian() -> Result<Toolchain> {
    if ![DEBIAN_CARGO, DEBIAN_RUSTC, DEBIAN_SOURCE].iter().all(|file| Path::new(file).is_file()) {
        let why = "a compiler for wasm32 with the source of its standard library, as rustup is not to download here";
        system::install_packages(&DEBIAN_PACKAGES, why)?;
    }
    let version = debian_version()?;
    let sysroot = places::cache()?.join(format!("wasm-std-{version}"));
    let linker = linker()?;
    if !has_std(&libdir(&sysroot)) {
        build_std(&version, &sysroot, &linker)?;
    }
    let mut flags = OsString::from("--sysroot=");
    flags.push(&sysroot);
    Ok(Toolchain {
        bin: Some(sysroot.join("bin")),
        env: vec![
            ("CARGO".into(), DEBIAN_CARGO.into()),
            ("RUSTC".into(), DEBIAN_RUSTC.into()),
            (target_env("LINKER"), linker.into()),
            // Cargo adds these to the flags of .cargo/config.toml. Build scripts and procedural
            // macros do not get them: they use the compiler's own sysroot.
            (target_env("RUSTFLAGS"), flags),
        ],
    })
}

/// Version and commit, as a folder name: a library fits one compiler only.
fn debian_version() -> Result<String> {
    let about = Cmd::new(DEBIAN_RUSTC).arg("-vV").probe().unwrap_or_default();
    let field = |name: &str| about.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    match (field("release:"), field("commit-hash:")) {
        (Some(release), Some(commit)) => Ok(format!("{release}-{}", commit.get(..9).unwrap_or(commit))),
        _ => Err(Failure::new(format!("`{DEBIAN_RUSTC} -vV` does not say its version"))),
    }
}

/// rust-lld of the native toolchain, or Debian's lld.
fn linker() -> Result<PathBuf> {
    let find = || native_rust_lld().or_else(|| on_path("rust-lld")).or_else(|| on_path("wasm-ld"));
    if let Some(linker) = find() {
        return Ok(linker);
    }
    // Debian's /usr/bin/rust-lld is a link to the linker of the matching LLVM, whose package it only
    // recommends; program and package have one name.
    let package = fs::read_link("/usr/bin/rust-lld").unwrap_or_else(|_| "lld".into());
    let package = package.to_string_lossy();
    system::install_packages(&[&package], "it links WebAssembly")?;
    find().ok_or_else(|| Failure::new(format!("no linker for WebAssembly was found; install the package {package}")))
}

fn native_rust_lld() -> Option<PathBuf> {
    let libdir = Cmd::new("rustc").args(["--print", "target-libdir"]).probe()?;
    Some(Path::new(&libdir).parent()?.join("bin/rust-lld")).filter(|path| path.is_file())
}

fn libdir(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(TARGET).join("lib")
}

fn target_env(key: &str) -> String {
    format!("CARGO_TARGET_{}_{key}", TARGET.to_uppercase().replace('-', "_"))
}

/// Builds the standard library once, as the dependency of an empty crate, and keeps its rlibs.
fn build_std(version: &str, sysroot: &Path, linker: &Path) -> Result {
    say(format!(
        "standard library of Rust {version} for {TARGET}: Debian ships its source only; about a minute, once per user"
    ));
    let cache = places::cache()?;
    let work = cache.join("build").join(format!("std-{version}"));
    write_empty_crate(&work)?;
    Cmd::new(DEBIAN_CARGO)
        .args(["build", "--release", "--target", TARGET, "-Z"])
        .arg("build-std=std,panic_abort,panic_unwind,test,proc_macro")
        .env("RUSTC", DEBIAN_RUSTC)
        // `build-std` is a nightly flag; this lets the matching stable compiler take it.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", work.join("target"))
        .env(&target_env("LINKER"), linker)
        // Link-time optimisation of the engine reads the library's bitcode.
        .env(&target_env("RUSTFLAGS"), "-Cembed-bitcode=yes")
        .env_remove("RUSTFLAGS")
        .dir(&work)
        .run("build the standard library for wasm32")?;
    install_std(&work.join("target").join(TARGET).join("release/deps"), sysroot)?;
    let _ = fs::remove_dir_all(work);
    Ok(())
}

fn write_empty_crate(dir: &Path) -> Result {
    let manifest = "[package]\nname = \"empty\"\nedition = \"2021\"\n\n[workspace]\n";
    fs::create_dir_all(dir.join("src")).context(format!("creating {}", dir.display()))?;
    fs::write(dir.join("Cargo.toml"), manifest).context(format!("writing to {}", dir.display()))?;
    fs::write(dir.join("src/lib.rs"), "#![no_std]\n").context(format!("writing to {}", dir.display()))
}

/// Fills the sysroot beside its place, then renames it: it is there as a whole or not at all.
fn install_std(deps: &Path, sysroot: &Path) -> Result {
    let mut part = sysroot.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    for leftover in [&part, sysroot] {
        let _ = fs::remove_dir_all(leftover);
    }
    let lib = libdir(&part);
    fs::create_dir_all(&lib).context(format!("creating {}", lib.display()))?;
    for entry in fs::read_dir(deps).context(format!("reading {}", deps.display()))?.flatten() {
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text.ends_with(".rlib") && !text.starts_with("libempty-") {
            fs::copy(entry.path(), lib.join(&name)).context(format!("copying {text}"))?;
        }
    }
    link_programs(&part.join("bin"))?;
    fs::rename(&part, sysroot).context(format!("renaming {}", part.display()))
}

/// `cargo` and `rustc` alone on PATH: /usr/bin as a whole would shadow a person's other tools.
#[cfg(unix)]
fn link_programs(bin: &Path) -> Result {
    fs::create_dir_all(bin).context(format!("creating {}", bin.display()))?;
    for program in [DEBIAN_CARGO, DEBIAN_RUSTC] {
        let name = Path::new(program).file_name().unwrap_or_default();
        std::os::unix::fs::symlink(program, bin.join(name)).context(format!("linking {program}"))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn link_programs(_bin: &Path) -> Result {
    Err(Failure::new("Debian's toolchain is for Debian only"))
}
