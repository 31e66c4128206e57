//! `cargo xtask test`: style, native tests, page build, type check, browser tests.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::page::{self, Profile};
use crate::places::root;
use crate::run::{Cmd, Context, Failure, Result, say};
use crate::setup;

pub(crate) fn test(args: &[&str]) -> Result {
    let flags = crate::flags(args, &["--native", "--browser"])?;
    let wanted = |flag| flags.is_empty() || flags.contains(&flag);
    let mut report = Report::new();
    if wanted("--native") {
        native(&mut report);
    }
    if wanted("--browser") {
        browser(&mut report);
    }
    report.print();
    report.verdict()
}

fn native(report: &mut Report) {
    setup::for_native_tests();
    let cargo = |args: &[&str]| Cmd::cargo().args(args).dir(root());
    report.check("check the formatting", &cargo(&["fmt", "--all", "--check"]));
    let clippy = cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    report.check("check the Rust code with clippy", &clippy);
    supply(report);
    let tests = cargo(&["test", "--workspace", "--no-fail-fast"]);
    report.runner("run the native tests", &tests, cargo_count);
}

/// Where crates and npm packages come from, and what is known against them.
fn supply(report: &mut Report) {
    let Some(deny) = report.prepared("install cargo-deny", setup::for_supply_checks()) else { return };
    let check =
        |what: &[&str]| Cmd::new(&deny).args(["--config", "crates/xtask/deny.toml", "check"]).args(what).dir(root());
    report.check("check licences, sources and versions of the crates", &check(&["bans", "licenses", "sources"]));
    report.advisories("look for advisories about the crates", &check(&["advisories"]));
    report.check("check the npm lock files", &Cmd::new("node").arg("crates/xtask/locks.mjs").dir(root()));
}

/// Without a page there is nothing to test, so this part ends at its first failed preparation.
fn browser(report: &mut Report) {
    let prepared = setup::for_browser_tests().and_then(|env| page::build(Profile::Ship).map(|()| env));
    let Some(env) = report.prepared("build the page", prepared) else { return };
    report.tell("build the page: ok");
    let tsc =
        Cmd::new("node").args(["web/node_modules/typescript/bin/tsc", "--project", "web/tsconfig.json"]).dir(root());
    report.check("check the types of the page", &tsc);
    let lint = Cmd::new("node")
        .args([
            "web/node_modules/@biomejs/biome/bin/biome",
            "lint",
            "--config-path=web/lint.json",
            "--error-on-warnings",
        ])
        .args(["web/src", "tests/browser"])
        .dir(root());
    report.check("check the JavaScript", &lint);
    let Some(files) = report.prepared("find the browser tests", test_files(&root().join("tests/browser"))) else {
        return;
    };
    // One file at a time: every file starts a browser. None may hang for more than 15 minutes.
    let flags = ["--test", "--test-concurrency=1", "--test-reporter=spec", "--test-timeout=900000"];
    let node = |files: &[PathBuf]| {
        let node = Cmd::new("node").args(flags).args(files).dir(root());
        env.iter().fold(node, |node, (key, value)| node.env(key, value))
    };
    report.runner("run the browser tests", &node(&files), node_count);
    if env.iter().any(|(key, _)| *key == "FIREFOX") {
        let files: Vec<PathBuf> = files.into_iter().filter(|file| runs_in_firefox(file)).collect();
        report.runner("run the browser tests in Firefox", &node(&files).env("BROWSER", "firefox"), node_count);
    }
}

/// What a person does with the page and what its API promises. The other files break things in ways that only Chromium can
/// be told of, need a GPU, or bring their own browser.
const IN_FIREFOX: [&str; 21] = [
    "api",
    "compare",
    "controls",
    "downloads",
    "element",
    "embed",
    "endurance",
    "estimators",
    "families",
    "faults",
    "files",
    "generate",
    "lab",
    "offline",
    "page",
    "payloads",
    "plane",
    "takeaway",
    "train",
    "workers",
    "zip",
];

fn runs_in_firefox(file: &Path) -> bool {
    let name = file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    IN_FIREFOX.iter().any(|room| name == format!("{room}.test.mjs"))
}

fn test_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).context(format!("reading {}", dir.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(".test.mjs"));
    files.sort();
    Ok(files)
}

/// What a line of a runner's output adds to the counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Count {
    passed: usize,
    failed: usize,
}

/// `test result: ok. 3 passed; 1 failed; ...`
fn cargo_count(line: &str) -> Count {
    let Some(result) = line.trim().strip_prefix("test result:") else { return Count::default() };
    let before = |word: &str| {
        let head = result.split(word).next().filter(|head| head.len() < result.len());
        head.and_then(|head| head.split_whitespace().last()?.parse().ok()).unwrap_or(0)
    };
    Count { passed: before(" passed;"), failed: before(" failed;") }
}

/// `ℹ pass 3`, `ℹ fail 1`, `ℹ cancelled 0`
fn node_count(line: &str) -> Count {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["ℹ", "pass", n] => Count { passed: n.parse().unwrap_or(0), failed: 0 },
        ["ℹ", "fail" | "cancelled", n] => Count { passed: 0, failed: n.parse().unwrap_or(0) },
        _ => Count::default(),
    }
}

/// One line for each part with the seconds that it took, and the sum.
struct Report {
    lines: Vec<String>,
    sum: Count,
    began: Instant,
    told: Instant,
}

impl Report {
    fn new() -> Self {
        let now = Instant::now();
        Report { lines: Vec::new(), sum: Count::default(), began: now, told: now }
    }

    fn tell(&mut self, line: &str) {
        let now = Instant::now();
        self.lines.push(format!("{line} ({:.0} s)", (now - self.told).as_secs_f64()));
        self.told = now;
    }

    /// A step that has no tests to count: it only counts if it fails.
    fn check(&mut self, what: &str, cmd: &Cmd) {
        say(what);
        let outcome = cmd.run(what);
        if self.prepared(what, outcome).is_some() {
            self.tell(&format!("{what}: ok"));
        }
    }

    /// The database is fetched from its own host, which not every machine reaches.
    fn advisories(&mut self, what: &str, cmd: &Cmd) {
        say(what);
        match cmd.complaint(what) {
            Err(failure) => self.fail(what, &failure.to_string()),
            Ok(None) => self.lines.push(format!("{what}: ok")),
            Ok(Some(text)) if text.contains("failed to fetch advisory database") => {
                self.tell(&format!("{what}: left out, RustSec's database could not be fetched"));
            }
            Ok(Some(text)) => {
                eprint!("{text}");
                self.fail(what, &cmd.failed(what).to_string());
            }
        }
    }

    fn prepared<T>(&mut self, what: &str, outcome: Result<T>) -> Option<T> {
        outcome.map_err(|failure| self.fail(what, &failure.to_string())).ok()
    }

    /// A test runner: its output is shown and its counts are added up.
    fn runner(&mut self, what: &str, cmd: &Cmd, count: fn(&str) -> Count) {
        say(what);
        let mut sum = Count::default();
        let ended = cmd.stream(what, |line| {
            println!("{line}");
            let more = count(line);
            sum.passed += more.passed;
            sum.failed += more.failed;
        });
        self.sum.passed += sum.passed;
        self.sum.failed += sum.failed;
        self.tell(&format!("{what}: {} passed, {} failed", sum.passed, sum.failed));
        match ended {
            Err(failure) => self.fail(what, &failure.to_string()),
            Ok(true) if sum == Count::default() => self.fail(what, "no test ran"),
            // A runner that ends badly without a failed test has not run them all.
            Ok(false) if sum.failed == 0 => self.fail(what, &cmd.failed(what).to_string()),
            Ok(_) => {}
        }
    }

    fn fail(&mut self, what: &str, why: &str) {
        self.sum.failed += 1;
        self.tell(&format!("{what}: FAILED, {why}"));
    }

    fn print(&self) {
        println!();
        for line in &self.lines {
            println!("{line}");
        }
        let minutes = self.began.elapsed().as_secs_f64() / 60.0;
        println!("{minutes:.1} minutes in all");
        println!("{} passed, {} failed", self.sum.passed, self.sum.failed);
    }

    fn verdict(&self) -> Result {
        match self.sum {
            Count { failed: 0, passed: 1.. } => Ok(()),
            _ => Err(Failure::new("not everything passed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_both_runners() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out";
        assert_eq!(cargo_count(line), Count { passed: 12, failed: 3 });
        assert_eq!(cargo_count("test a_test ... ok"), Count::default());
        assert_eq!(node_count("ℹ pass 7"), Count { passed: 7, failed: 0 });
        assert_eq!(node_count("ℹ cancelled 2"), Count { passed: 0, failed: 2 });
        assert_eq!(node_count("ℹ tests 9"), Count::default());
    }

    #[test]
    fn nothing_run_is_not_a_success() {
        assert!(Report::new().verdict().is_err());
    }

    #[test]
    fn a_runner_that_fails_without_a_failed_test_fails() {
        let mut report = Report::new();
        report.runner("run nothing", &Cmd::new("cargo").arg("no-such-verb"), cargo_count);
        assert_eq!(report.sum, Count { passed: 0, failed: 1 });
    }
}
