//! Work on many things at once: a thread a core, each with an engine and Programs of its own.

use anyhow::{Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::atomic::{AtomicUsize, Ordering};

/// `work` on each of 0, 1, .. `n`; every thread takes the next one and keeps what `start` gave it.
pub(crate) fn on_all_cores<S, T: Send>(
    what: &str,
    n: usize,
    start: impl Fn() -> Result<S> + Sync,
    work: impl Fn(&mut S, usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let style = "{prefix} [{bar:30}] {pos}/{len} {per_sec} ETA {eta}";
    let bar = ProgressBar::new(n as u64).with_style(ProgressStyle::with_template(style)?);
    bar.set_prefix(what.to_string());
    let next = AtomicUsize::new(0);
    let run = || -> Result<Vec<(usize, T)>> {
        let (mut state, mut done) = (start()?, Vec::new());
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= n {
                return Ok(done);
            }
            done.push((i, work(&mut state, i)?));
            bar.inc(1);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(n);
    let parts = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let join = |h: std::thread::ScopedJoinHandle<'_, _>| h.join().map_err(|_| anyhow!("a thread failed"))?;
        handles.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?;
    bar.finish_and_clear();
    let mut all: Vec<(usize, T)> = parts.into_iter().flatten().collect();
    all.sort_by_key(|(i, _)| *i);
    Ok(all.into_iter().map(|(_, value)| value).collect())
}
