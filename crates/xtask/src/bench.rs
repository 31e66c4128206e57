//! `cargo xtask bench`: speed and size of our engines and of others, as a table and as `target/bench.json`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::page::{self, Profile};
use crate::places::root;
use crate::run::{Cmd, Context, Failure, Result, say};
use crate::setup;

/// Flags with a value, as `tests/browser/bench/main.mjs` explains them.
const FLAGS: [&str; 4] = ["--only", "--engines", "--peers", "--rounds"];

/// What the wasm module of the benchmark is called by cargo.
const MODULE: &str = "target/wasm/wasm32-unknown-unknown/wasm/bench.wasm";

pub(crate) fn bench(args: &[&str]) -> Result {
    let args = args.strip_prefix(&["--"]).unwrap_or(args);
    let value = |flag: &str| args.chunks(2).find(|pair| pair[0] == flag).map(|pair| pair[1]);
    if let Some(wrong) = args.chunks(2).find(|pair| !FLAGS.contains(&pair[0]) || pair.len() < 2) {
        return Err(Failure::usage(format!("`{}` is not understood here; bench takes {}", wrong[0], FLAGS.join(", "))));
    }
    let chrome = setup::for_benchmark()?;
    let folder = root().join("target/bench");
    fs::create_dir_all(&folder).context(format!("creating {}", folder.display()))?;
    module()?;
    let native = Cmd::cargo().args(["build", "--release", "--package", "bench", "--package", "pofx"]).dir(root());
    native.run("build the native benchmark")?;
    let mut files = Vec::new();
    if value("--peers").is_none_or(|peers| peers.split(',').any(|peer| peer == "candle")) {
        let only = value("--only").into_iter().flat_map(|names| names.split(','));
        let bench = program("bench").args(["native", "--json"]).args(only).env("RAYON_NUM_THREADS", "1");
        files.extend(["--native".into(), json(&folder, "native", &bench)?]);
    }
    let export = ["export", "binary-mnist-vae", "--onnx", "target/bench/models"];
    program("pofx").args(export).run("export the shipped model as ONNX")?;
    program("bench").args(["files", "dcgan", "target/bench/files"]).run("write the network of the cold start")?;
    if value("--only").is_none() {
        files.extend(shipped(&folder, &chrome)?);
        let lighthouse = Cmd::new("node").arg("tests/browser/bench/lighthouse.mjs").env("CHROME", &chrome).dir(root());
        lighthouse.run("ask Lighthouse about each room")?;
    }
    Cmd::new("node")
        .arg("tests/browser/bench/main.mjs")
        .args(args)
        .args(files)
        .env("CHROME", chrome)
        .dir(root())
        .run("measure in the browser")
}

/// A program that the release build made, wherever cargo puts it.
fn program(name: &str) -> Cmd {
    Cmd::cargo().args(["run", "--quiet", "--release", "--package", name, "--"]).dir(root())
}

/// The shipped model: its trainer natively, its two questions through the page's API.
fn shipped(folder: &Path, chrome: &Path) -> Result<[PathBuf; 4]> {
    page::build(Profile::Ship)?;
    let trainer = json(folder, "trainer", &program("pofx").args(["bench", "--json"]))?;
    let page = Cmd::new("node").arg("tests/browser/bench.mjs").env("CHROME", chrome).dir(root());
    Ok(["--trainer".into(), trainer, "--page".into(), json(folder, "page", &page)?])
}

/// The benchmark's module for the browser, made as the page's own is: same compiler, same profile, same tools.
fn module() -> Result {
    let tools = setup::for_page()?;
    let out = "target/bench/page";
    let cargo = Cmd::new("cargo").args(["build", "--package", "bench", "--lib", "--profile", "wasm"]);
    let cargo = cargo.args(["--target", "wasm32-unknown-unknown"]).dir(root());
    tools.apply(cargo).run("compile the benchmark to WebAssembly")?;
    let bindgen = Cmd::new("wasm-bindgen").args(["--target", "web", "--no-typescript", "--out-dir", out, MODULE]);
    tools.apply(bindgen.dir(root())).run("bind it to JavaScript")?;
    let wasm = format!("{out}/bench_bg.wasm");
    let optimise = Cmd::new("node").args(["web/node_modules/binaryen/bin/wasm-opt", "-O2", &wasm, "-o", &wasm]);
    optimise.dir(root()).run("shrink it")
}

/// Runs a program that prints progress, and one JSON object as the last line, which is kept in a file.
fn json(folder: &Path, name: &str, cmd: &Cmd) -> Result<PathBuf> {
    let what = format!("measure: {name}");
    say(&what);
    let mut last = String::new();
    let succeeded = cmd.stream(&what, |line| {
        if !line.trim().is_empty() {
            eprintln!("{line}");
            last = line.to_owned();
        }
    })?;
    if !succeeded || !last.starts_with(['{', '[']) {
        return Err(Failure::new(format!("{}; its last line has to be JSON", cmd.failed(&what))));
    }
    let path = folder.join(format!("{name}.json"));
    fs::write(&path, last).context(format!("writing {}", path.display()))?;
    Ok(path)
}
