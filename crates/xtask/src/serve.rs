//! `cargo xtask serve`: the page on a local port, rebuilt when a file changes.

use std::net::TcpListener;

use crate::page::{self, Profile};
use crate::run::{Failure, Result, say};
use crate::setup;

#[derive(Debug, PartialEq)]
struct Options {
    port: u16,
    open: bool,
    profile: Profile,
}

impl Options {
    fn from_args(args: &[&str]) -> Result<Self> {
        let mut options = Options { port: 8080, open: false, profile: Profile::Ship };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match *arg {
                "--open" => options.open = true,
                "--dev" => options.profile = Profile::Dev,
                "--port" => {
                    let port = args.next().and_then(|text| text.parse().ok()).filter(|port| *port > 0);
                    options.port = port.ok_or_else(|| Failure::usage("--port needs a number from 1 to 65535"))?;
                }
                other => return Err(crate::flags(&[other], &[]).err().unwrap_or_else(|| Failure::usage(other))),
            }
        }
        Ok(options)
    }
}

pub(crate) fn serve(args: &[&str]) -> Result {
    let options = Options::from_args(args)?;
    // Asked now, not after minutes of building.
    TcpListener::bind(("127.0.0.1", options.port))
        .map_err(|e| Failure::new(format!("port {} is not free ({e}); choose one with --port", options.port)))?;
    let tools = setup::for_page()?;
    say(format!(
        "page: Trunk builds it (minutes the first time), then serves it on http://localhost:{}/ until Ctrl-C",
        options.port
    ));
    let mut trunk = page::trunk(&tools, "serve", options.profile).args(["--port", &options.port.to_string()]);
    if options.open {
        trunk = trunk.arg("--open");
    }
    trunk.run("serve the page")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_bad_ones_refused() {
        let options = Options::from_args(&["--port", "9000", "--open"]).unwrap();
        assert_eq!(options, Options { port: 9000, open: true, profile: Profile::Ship });
        for bad in [&["--port"][..], &["--port", "x"], &["--port", "0"], &["--fast"]] {
            assert_eq!(Options::from_args(bad).unwrap_err().exit_code(), 2, "{bad:?}");
        }
    }
}
