//! Weights and intermediate values as f16. Its own binary: the device of the other tests is opened without.

use conformance::close::Tolerance;
use conformance::compare::{first_difference, inputs, run};
use engine::Cpu;
use engine::gpu::{Gpu, Options, Plan};
use graph::{Graph, Program, Run, Window};
use pollster::block_on;

/// f16 has 11 binary digits; values of size 1 pass through some of them.
const THREE_DIGITS: Tolerance = Tolerance::new(4e-3, 4e-3);

fn network() -> Program {
    let g = Graph::new();
    let (x, w) = (g.input("x", &[2, 16, 16, 16]), g.input("w", &[32, 16, 3, 3]));
    let h = x.conv(w * 0.1, Window::new(1, 1)).reshape(&[2, 32 * 256]);
    let centred = h - h.mean(&[1]);
    let h = (centred / (centred.square().mean(&[1]) + 1e-5).sqrt()).silu();
    let y = h.reshape(&[64, 256]).dot(g.input("out", &[255, 256]).t() * 0.1) + g.input("bias", &[255]);
    // Beyond the range of f16.
    let far = (g.input("x", &[2, 16, 16, 16]) * 1e6).dot(g.input("v", &[2, 16, 16, 16]) * 1e-6);
    Program::new(&[("y", y), ("far", far)], &[])
}

#[test]
fn large_values_are_kept_as_f16() {
    let gpu = block_on(Gpu::open(Options { half: true, ..Options::default() }))
        .unwrap_or_else(|e| panic!("{e}. `cargo xtask setup` installs a software Vulkan driver (lavapipe)."));
    assert!(gpu.limits().half, "{} has no shader-f16", gpu.adapter());
    let program = network();
    let values = inputs(&program);
    let expected = run(Cpu.load(&program), &values, 1);
    for busy_threads in [0, 256] {
        let limits = engine::gpu::Limits { busy_threads, ..*gpu.limits() };
        let plan = Plan::new(&program, &limits).unwrap();
        let full = Plan::new(&program, &engine::gpu::Limits { half: false, ..limits }).unwrap();
        assert!(plan.memory().total() * 10 < full.memory().total() * 8, "{plan}");
        let loaded = block_on(gpu.load_plan(&program, plan)).unwrap();
        for ((name, a), (_, b)) in expected.iter().zip(&run(loaded, &values, 1)) {
            let at = first_difference(a, b, THREE_DIGITS);
            assert!(at.is_none(), "'{name}'{at:?}: {:?} and {:?}", a[at.unwrap()], b[at.unwrap()]);
        }
    }
}

#[test]
fn a_weight_reads_back_as_it_was_rounded() {
    let gpu = block_on(Gpu::open(Options { half: true, ..Options::default() })).unwrap_or_else(|e| panic!("{e}"));
    let g = Graph::new();
    let w = g.input("w", &[65, 65]);
    let mut loaded = block_on(gpu.load(&Program::new(&[("sum", w.sum(&[0]))], &[]))).unwrap();
    let values: Vec<f32> = (0..65 * 65).map(|i| i as f32 / 2048.0).collect();
    loaded.write("w", &values).unwrap();
    let back = block_on(loaded.read("w")).unwrap();
    assert_eq!(back.len(), values.len());
    for (a, b) in values.iter().zip(&back) {
        assert!((a - b).abs() <= a.abs() / 2048.0, "{a} {b}");
    }
}
