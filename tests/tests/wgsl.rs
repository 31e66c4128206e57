//! Every shader, read by a second compiler: naga's validator here, and a search for what Chromium's refuses.

use engine::gpu::{Limits, Plan};
use graph::{Graph, Program, Window, grad};
use models::vae::{self, Config};
use models::{transformer, unet};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use std::collections::BTreeSet;

/// Programs that together use every operation and algorithm.
fn programs() -> Vec<Program> {
    let shipped = Config { latents: 32, hidden: 256, channels: 32 };
    vec![
        vae::trainer(&shipped, 64, 1),
        vae::trainer(&shipped, 32, 5),
        vae::sampler(&shipped, 16),
        vae::weigher(&shipped, 64, true),
        vae::encoder(&shipped, 1),
        every_operation(),
        unet::denoiser(&unet::Config::default(), 1),
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
fn shaders(half: bool) -> BTreeSet<String> {
    let limits = [0, 256, 4096].map(|busy_threads| Limits { busy_threads, half, ..Limits::default() });
    let plan = |p: &Program, l: &Limits| Plan::new(p, l).unwrap_or_else(|e| panic!("{e}")).shaders();
    programs().iter().flat_map(|p| limits.iter().flat_map(|l| plan(p, l)).collect::<Vec<_>>()).collect()
}

#[test]
fn every_shader_is_valid() {
    for text in shaders(false).into_iter().chain(shaders(true)) {
        let module =
            naga::front::wgsl::parse_str(&text).unwrap_or_else(|e| panic!("{}\n{text}", e.emit_to_string(&text)));
        let f16 = text.contains("enable f16;");
        let capabilities = if f16 { Capabilities::SHADER_FLOAT16 } else { Capabilities::empty() };
        let mut validator = Validator::new(ValidationFlags::all(), capabilities);
        validator.validate(&module).unwrap_or_else(|e| panic!("{}\n{text}", e.emit_to_string(&text)));
    }
}

#[test]
fn no_shader_has_what_other_compilers_refuse() {
    for text in shaders(false) {
        let code: String =
            text.lines().map(|l| l.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
        for word in ["3.4028235e38", "inf", "NaN", "nan(", "enable ", "subgroup", "f16"] {
            assert!(!code.contains(word), "'{word}' in\n{text}");
        }
        for bits in code.split("bitcast<f32>(0x").skip(1).map(|rest| rest.split("u)").next().unwrap_or_default()) {
            let value = u32::from_str_radix(bits, 16).map(f32::from_bits).unwrap_or(f32::NAN);
            assert!(value.is_finite(), "bits {bits} in\n{text}");
        }
    }
}

/// One buffer under two bindings, one of them writable, is an error of WebGPU; a plan binds each buffer once.
#[test]
fn a_plan_binds_no_more_buffers_than_allowed() {
    for storage_buffers in [4, 5, 8] {
        let limits = Limits { storage_buffers, ..Limits::default() };
        for program in programs() {
            let plan = Plan::new(&program, &limits).unwrap_or_else(|e| panic!("{e}"));
            for text in plan.shaders() {
                assert!(text.matches("@binding(").count() <= storage_buffers, "{text}");
            }
        }
    }
}
