//! One Program on both engines: the CPU engine is the reference.

use crate::close::Tolerance;
use engine::gpu::{Gpu, Limits, Options, Plan};
use engine::{Cpu, Error};
use graph::{NodeId, Op, Program, Run};
use pollster::block_on;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// For pointwise results: a few units in the last place of f32.
pub const POINTWISE: Tolerance = Tolerance::new(1e-6, 1e-5);
/// For sums of up to some thousand terms of size 1, added in another order.
pub const SUMS: Tolerance = Tolerance::new(1e-4, 1e-4);

/// The one GPU of a test binary, for one test at a time: drivers are least reliable with many devices and threads.
pub fn gpu() -> MutexGuard<'static, Gpu> {
    static DEVICE: OnceLock<Mutex<Gpu>> = OnceLock::new();
    let open = || {
        let gpu = block_on(Gpu::open(Options::default()));
        Mutex::new(gpu.unwrap_or_else(|e| {
            panic!("{e}. These tests need a Vulkan driver; `cargo xtask setup` installs a software one (lavapipe).")
        }))
    };
    DEVICE.get_or_init(open).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Numbers in [-1, 1) that look random and are the same everywhere.
pub fn noise(seed: u64, len: usize) -> Vec<f32> {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// Every input of a Program with noise.
pub fn inputs(program: &Program) -> Vec<(String, Vec<f32>)> {
    let one = |(seed, (name, id)): (usize, &(String, NodeId))| {
        (name.clone(), noise(seed as u64 + 7, program.node(*id).len()))
    };
    program.inputs.iter().enumerate().map(one).collect()
}

/// All outputs and states after `steps` steps.
pub fn run<L: Run<Error = Error>>(
    mut loaded: L,
    inputs: &[(String, Vec<f32>)],
    steps: usize,
) -> Vec<(String, Vec<f32>)> {
    inputs.iter().for_each(|(name, values)| loaded.write(name, values).unwrap_or_else(|e| panic!("{e}")));
    for _ in 0..steps {
        loaded.step().unwrap_or_else(|e| panic!("{e}"));
    }
    let program = loaded.program().clone();
    let state = program.state.iter().map(|(id, _)| match &program.node(*id).op {
        Op::Input(name) => name.clone(),
        op => panic!("a state is an input, not {op}"),
    });
    let names: Vec<String> = program.outputs.iter().map(|o| o.0.clone()).chain(state).collect();
    names.into_iter().map(|n| (n.clone(), block_on(loaded.read(&n)).unwrap_or_else(|e| panic!("{e}")))).collect()
}

/// Panics where the engines differ; says at which element.
#[track_caller]
pub fn agree(program: &Program, inputs: &[(String, Vec<f32>)], steps: usize, tolerance: Tolerance) {
    let limits = *gpu().limits();
    // A software adapter gets other kernels than a real GPU. Both must be right.
    for busy_threads in [0, 4096] {
        agree_within(&Limits { busy_threads, ..limits }, program, inputs, steps, tolerance);
    }
}

/// [`agree`] with a plan for a device of these limits.
#[track_caller]
pub fn agree_within(
    limits: &Limits,
    program: &Program,
    inputs: &[(String, Vec<f32>)],
    steps: usize,
    tolerance: Tolerance,
) {
    let expected = run(Cpu.load(program), inputs, steps);
    let gpu = gpu();
    let loaded = Plan::new(program, limits).map(|plan| block_on(gpu.load_plan(program, plan)));
    let got = run(loaded.and_then(|l| l).unwrap_or_else(|e| panic!("{e}\n{program}")), inputs, steps);
    for ((name, a), (_, b)) in expected.iter().zip(&got) {
        if let Some(at) = first_difference(a, b, tolerance) {
            let (x, y) = (a[at], b[at]);
            panic!("'{name}'[{at}] of {} is {x:?} on the CPU and {y:?} on the GPU\n{program}", a.len());
        }
    }
}

/// The first element at which two results differ by more than the tolerance; NaN differs from all.
pub fn first_difference(a: &[f32], b: &[f32], tolerance: Tolerance) -> Option<usize> {
    assert_eq!(a.len(), b.len());
    let close = |(x, y): (&f32, &f32)| !x.is_nan() && tolerance.allows(f64::from(*x), f64::from(*y));
    a.iter().zip(b).position(|pair| !close(pair))
}

/// [`agree`] with noise for inputs.
#[track_caller]
pub fn same(program: &Program, tolerance: Tolerance) {
    agree(program, &inputs(program), 1, tolerance);
}
