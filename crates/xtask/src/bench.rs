//! `cargo xtask bench`: speed and size as one JSON object on standard output.

use crate::page::{self, Profile};
use crate::places::root;
use crate::run::{Cmd, Failure, Result, say};
use crate::setup;

pub(crate) fn bench() -> Result {
    let chrome = setup::for_browser_tests()?;
    page::build(Profile::Ship)?;
    let native = Cmd::cargo().args(["run", "--release", "--package", "pofx", "--", "bench", "--json"]).dir(root());
    let browser = Cmd::new("node").arg("tests/browser/bench.mjs").env("CHROME", chrome).dir(root());
    let native = last_line("measure the trainer", &native)?;
    let browser = last_line("measure the page in the browser", &browser)?;
    println!("{{\"native\":{native},\"browser\":{browser}}}");
    Ok(())
}

/// Both programs print progress, and their JSON object as the last line.
fn last_line(what: &str, cmd: &Cmd) -> Result<String> {
    say(what);
    let mut last = String::new();
    let succeeded = cmd.stream(what, |line| {
        if !line.trim().is_empty() {
            eprintln!("{line}");
            last = line.to_owned();
        }
    })?;
    match succeeded && last.starts_with('{') {
        true => Ok(last),
        false => Err(Failure::new(format!("{}; its last line has to be a JSON object", cmd.failed(what)))),
    }
}
