//! Running other programs, and saying in plain words what to do when one fails.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// What every verb and step returns.
pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

/// One sentence for the person at the terminal, and the exit code that goes with it.
#[derive(Debug)]
pub(crate) struct Failure {
    sentence: String,
    exit_code: u8,
}

impl Failure {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Failure { sentence: sentence.into(), exit_code: 1 }
    }

    /// The command line was wrong (exit code 2, as is the custom).
    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Failure { sentence: sentence.into(), exit_code: 2 }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// Adds what was being done to an I/O error.
pub(crate) trait Context<T> {
    fn context(self, doing: impl fmt::Display) -> Result<T>;
}

impl<T> Context<T> for std::io::Result<T> {
    fn context(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|e| Failure::new(format!("{doing} failed: {e}")))
    }
}

/// A command line that can be shown, so that a person can run it by hand.
#[derive(Clone)]
pub(crate) struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    envs: Vec<(String, Option<OsString>)>,
    dir: Option<PathBuf>,
}

impl Cmd {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Cmd { program: program.as_ref().into(), args: Vec::new(), envs: Vec::new(), dir: None }
    }

    /// The cargo that started this program, so that the toolchain a person chose is kept.
    pub(crate) fn cargo() -> Self {
        Cmd::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    /// npm is a batch file on Windows, which only starts under its full name.
    pub(crate) fn npm() -> Self {
        Cmd::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().into());
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|a| a.as_ref().into()));
        self
    }

    pub(crate) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.envs.push((key.into(), Some(value.as_ref().into())));
        self
    }

    pub(crate) fn env_remove(mut self, key: &str) -> Self {
        self.envs.push((key.into(), None));
        self
    }

    pub(crate) fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Runs to the end with inherited output, then says how long it took. `what` completes "to ...".
    pub(crate) fn run(&self, what: &str) -> Result {
        let started = Instant::now();
        let status = self.command().status().map_err(|e| self.cannot_start(what, &e))?;
        if !status.success() {
            return Err(self.failed(what));
        }
        eprintln!("   done: {what} ({:.0} s)", started.elapsed().as_secs_f32());
        Ok(())
    }

    /// Runs with inherited stderr and hands every line of stdout to `each` as it comes; `Ok(false)`
    /// if the program ended with an error.
    pub(crate) fn stream(&self, what: &str, mut each: impl FnMut(&str)) -> Result<bool> {
        let mut child = self.command().stdout(Stdio::piped()).spawn().map_err(|e| self.cannot_start(what, &e))?;
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).split(b'\n') {
                let line = line.context(format!("reading the output of `{self}`"))?;
                each(&String::from_utf8_lossy(&line));
            }
        }
        let status = child.wait().context(format!("waiting for `{self}`"))?;
        Ok(status.success())
    }

    /// Standard output as text if the program exists and succeeds: the question "is it there?".
    pub(crate) fn probe(&self) -> Option<String> {
        let output = self.command().stderr(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    }

    /// Runs to the end; what it wrote to stderr if it ended with an error.
    pub(crate) fn complaint(&self, what: &str) -> Result<Option<String>> {
        let output = self.command().output().map_err(|e| self.cannot_start(what, &e))?;
        Ok((!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    pub(crate) fn failed(&self, what: &str) -> Failure {
        Failure::new(format!("could not {what}; run this by hand to see why: {self}"))
    }

    fn cannot_start(&self, what: &str, error: &std::io::Error) -> Failure {
        let program = Path::new(&self.program).display();
        Failure::new(format!("could not {what}: `{program}` does not start ({error}); the command was: {self}"))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        for (key, value) in &self.envs {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }
}

/// As a line for a POSIX shell.
impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(dir) = &self.dir {
            write!(f, "cd {} && ", quoted(dir.as_os_str()))?;
        }
        let removed = self.envs.iter().filter(|(_, value)| value.is_none());
        let unset: String = removed.map(|(key, _)| format!(" -u {key}")).collect();
        if !unset.is_empty() {
            write!(f, "env{unset} ")?;
        }
        for (key, value) in &self.envs {
            if let Some(value) = value {
                write!(f, "{key}={} ", quoted(value))?;
            }
        }
        write!(f, "{}", quoted(&self.program))?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quoted(arg)))
    }
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Announces a step: what is done, and why.
pub(crate) fn say(step: impl fmt::Display) {
    eprintln!("== {step}");
}

/// The first file of this name on PATH.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(&name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_shown_as_a_line_to_paste() {
        let cmd = Cmd::new("npm").args(["ci", "it's"]).env("A", "b c").env_remove("B").dir("/x");
        assert_eq!(cmd.to_string(), r"cd /x && env -u B A='b c' npm ci 'it'\''s'");
    }

    #[test]
    fn a_missing_program_gives_a_sentence() {
        let failure = Cmd::new("no-such-program-here").run("test this").unwrap_err();
        assert!(failure.to_string().starts_with("could not test this"), "{failure}");
    }
}
