//! Times a workload on our engines and on candle, taking turns, and compares what they computed.

use crate::candle::{self, Contestant};
use anyhow::{Result, bail};
use bench::Workload;
use engine::gpu::{Limits, Options, Plan};
use engine::{Engine, Gpu};
use graph::Run;
use pollster::block_on;
use serde::Serialize;
use std::time::Instant;

/// Medians of one contestant on one workload.
#[derive(Serialize)]
struct Row {
    workload: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    contestant: &'static str,
    ms: f64,
    gflops_per_second: f64,
    /// Median over the rounds of this contestant's time divided by ours on the CPU: above 1, ours is ahead.
    ratio: f64,
    /// Largest difference from our CPU engine, relative to its largest value.
    difference: f64,
}

pub(crate) fn native(workloads: &[Workload], gpu: bool, rounds: usize, json: bool) -> Result<()> {
    let mut engines = vec![("cpu", Engine::cpu())];
    if gpu {
        engines.push(("wgpu", Engine::Gpu(block_on(Gpu::open(Options::default()))?)));
    }
    let mut rows = Vec::new();
    for workload in workloads {
        let (dispatches, bytes) = planned(workload)?;
        let mflop = workload.flops() as f64 / 1e6;
        println!("{}: {mflop:.0} Mflop, {dispatches} dispatches, {bytes} bytes on a GPU", workload.id());
        let mut contestants = Vec::new();
        for (name, engine) in &engines {
            contestants.push((*name, ours(workload, engine)?));
        }
        contestants.extend(candle::contestant(workload)?);
        for row in compare(workload, &mut contestants, rounds)? {
            println!(
                "  {:12} {:10.3} ms {:8.1} Gflop/s   ratio {:6.2}   difference {:.1e}",
                row.contestant, row.ms, row.gflops_per_second, row.ratio, row.difference
            );
            rows.push(row);
        }
    }
    if json {
        println!("{}", serde_json::to_string(&rows)?);
    }
    Ok(())
}

/// Dispatches of one step and bytes of all buffers, for the limits that every WebGPU device has.
fn planned(workload: &Workload) -> Result<(usize, u64)> {
    let plan = Plan::new(&workload.program, &Limits::default())?;
    Ok((plan.dispatches(), plan.memory().total()))
}

/// One of our engines: writes the data, makes a step, reads the answer.
fn ours<'a>(workload: &'a Workload, engine: &Engine) -> Result<Box<dyn FnMut() -> Result<Vec<f32>> + 'a>> {
    let mut loaded = block_on(engine.load(&workload.program))?;
    for (name, _) in &workload.program.inputs {
        loaded.write(name, &workload.values(name))?;
    }
    let data: Vec<(&str, Vec<f32>)> = workload.data().map(|name| (name, workload.values(name))).collect();
    Ok(Box::new(move || {
        for (name, values) in &data {
            loaded.write(name, values)?;
        }
        loaded.step()?;
        Ok(block_on(loaded.read(workload.output))?)
    }))
}

/// The first two answers are compared, as the second one of a training step depends on what the first did; then all take
/// turns. A contestant that is far off ends the run.
fn compare(workload: &Workload, contestants: &mut [Contestant<'_>], rounds: usize) -> Result<Vec<Row>> {
    let mut answers = Vec::new();
    for (_, run) in contestants.iter_mut() {
        answers.push([run()?, run()?].concat());
    }
    let differences: Vec<f64> = answers.iter().map(|answer| difference(answer, &answers[0])).collect();
    for ((name, _), difference) in contestants.iter().zip(&differences) {
        if difference.is_nan() || *difference > 1e-3 {
            bail!("{name} computes another answer of {}: it is off by {difference:e}", workload.id());
        }
    }
    let mut times = vec![Vec::new(); contestants.len()];
    for _ in 0..rounds {
        for ((_, run), times) in contestants.iter_mut().zip(&mut times) {
            let start = Instant::now();
            run()?;
            times.push(start.elapsed().as_secs_f64());
        }
    }
    let row = |(i, (contestant, _)): (usize, &Contestant<'_>)| {
        let seconds = median(times[i].clone());
        Row {
            workload: workload.name,
            size: workload.size,
            contestant,
            ms: 1e3 * seconds,
            gflops_per_second: workload.flops() as f64 / seconds / 1e9,
            ratio: median(times[i].iter().zip(&times[0]).map(|(theirs, ours)| theirs / ours).collect()),
            difference: differences[i],
        }
    };
    Ok(contestants.iter().enumerate().map(row).collect())
}

/// Largest difference in units of the largest expected value; NaN where a value is no number.
fn difference(got: &[f32], expected: &[f32]) -> f64 {
    if got.len() != expected.len() || got.iter().any(|v| !v.is_finite()) {
        return f64::NAN;
    }
    let largest = expected.iter().fold(0f32, |m, v| m.max(v.abs()));
    let worst = got.iter().zip(expected).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
    f64::from(worst) / f64::from(largest)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
