//! Programs that together use every operation and every kernel, and their shaders, for compilers to read.

use crate::run::{ADAM, stage};
use engine::gpu::{Limits, Plan};
use graph::{Graph, Program, Window, grad};
use models::vae::{self, Config};
use models::{diffusion, transformer, unet};
use std::collections::BTreeSet;

/// Programs that together use every operation and algorithm.
pub fn programs() -> Vec<Program> {
    let shipped = Config::binary(32, 256, 32);
    vec![
        vae::trainer(&shipped, &stage(64, 1), ADAM),
        vae::trainer(&shipped, &stage(32, 5), ADAM),
        vae::sampler(&shipped, 16),
        vae::weigher(&shipped, 64, true),
        vae::encoder(&shipped, 1),
        every_operation(),
        diffusion::denoiser(&unet::Config::default(), 1),
        transformer::prefill(&transformer::Config::default(), 1, 256),
    ]
}

fn every_operation() -> Program {
    let g = Graph::new();
    let x = g.input("x", &[2, 3, 9, 8]);
    let w = g.input("w", &[4, 3, 3, 3]);
    let y = x.conv(w, Window { lhs_dilation: [2, 1], dilation: [1, 2], pad: [(-1, 2), (1, 0)], ..Window::new(1, 0) });
    let d = grad(y.softplus().sum_all(), &[x, w]);
    let i = g.iota(2, &[2, 3, 9, 8]);
    let p = x.abs().ln().exp().sqrt().sin().cos().tanh().sigmoid().maximum(i).minimum(x / i);
    let m = p.lt(x).select(p.le(i), p.eq(x)).flip(&[1, 3]).pad(&[0, 1, 0, 0], &[2, 5, 9, 8]);
    let m = m.permute(&[3, 2, 1, 0]).slice(&[1, 2, 0, 0], &[7, 7, 5, 2]) * f32::MAX - 1e-30;
    let outputs = [
        ("entries", x.gather(1, g.input("index", &[5])).scatter_add(1, g.input("index", &[5]), 3)),
        ("m", m),
        ("max", x.max(&[0, 2])),
        ("x", d[0]),
        ("w", d[1]),
        ("long", x.reshape(&[432, 1]).sum(&[0])),
    ];
    Program::new(&outputs, &[])
}

/// The shaders of software adapters, of small real GPUs and of large ones.
pub fn shaders(half: bool) -> BTreeSet<String> {
    let limits = [0, 256, 4096].map(|busy_threads| Limits { busy_threads, half, ..Limits::default() });
    let plan = |p: &Program, l: &Limits| Plan::new(p, l).unwrap_or_else(|e| panic!("{e}\n{p}")).shaders();
    programs().iter().flat_map(|p| limits.iter().flat_map(|l| plan(p, l)).collect::<Vec<_>>()).collect()
}
