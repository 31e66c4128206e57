//! `cargo xtask`: everything that is not the product itself. Set-up, page build, tests, benchmarks.
//!
//! It is the first thing a new machine compiles, so it has no dependencies and builds in seconds.

mod bench;
mod page;
mod places;
mod run;
mod serve;
mod setup;
mod test;

use std::process::ExitCode;

use run::{Failure, Result};

const HELP: &str = "\
cargo xtask <verb>

  setup                        install or build what the other verbs need (each calls it by itself)
  serve [--port N] [--open]    build the page with Trunk and serve it on http://localhost:8080/
        [--dev]                ... with a quick, slow-running build of the engine
  build [--dev]                build the page into dist/ and stop
  pack                         build the page and make the npm package of it, in target/npm/
  test  [--native] [--browser] fmt, clippy, native tests, page build, type check, browser tests
  bench [--only unet,vae]      speed and size beside onnxruntime-web, TensorFlow.js and candle: a table,
        [--engines cpu,webgpu] and target/bench.json
        [--peers ort,tfjs,candle] [--rounds N]
  help                         this table
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn dispatch(args: &[&str]) -> Result {
    match args.split_first() {
        None | Some((&("help" | "--help" | "-h"), _)) => {
            print!("{HELP}");
            Ok(())
        }
        Some((&"setup", rest)) => flags(rest, &[]).and_then(|_| setup::everything()),
        Some((&"serve", rest)) => serve::serve(rest),
        Some((&"build", rest)) => page::build(page::Profile::from_args(rest)?),
        Some((&"pack", rest)) => flags(rest, &[]).and_then(|_| page::pack()),
        Some((&"test", rest)) => test::test(rest),
        Some((&"bench", rest)) => bench::bench(rest),
        Some((verb, _)) => {
            Err(Failure::usage(format!("there is no verb `{verb}`; `cargo xtask help` lists the verbs")))
        }
    }
}

/// The flags of a verb that takes only bare flags; an unknown one is a usage error.
fn flags<'a>(args: &[&'a str], known: &[&str]) -> Result<Vec<&'a str>> {
    match args.iter().find(|arg| !known.contains(arg)) {
        None => Ok(args.to_vec()),
        Some(arg) => {
            Err(Failure::usage(format!("`{arg}` is not understood here; `cargo xtask help` lists the verbs and flags")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_verbs_and_flags_are_usage_errors() {
        for args in [&["dance"][..], &["setup", "--fast"], &["serve", "--prot", "1"], &["bench", "--onyl", "vae"]] {
            assert_eq!(dispatch(args).unwrap_err().exit_code(), 2, "{args:?}");
        }
    }
}
