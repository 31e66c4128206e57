//! Plans as text, and how many dispatches they take: a lost fusion is a red test.

use conformance::run::{ADAM, stage};
use engine::Error;
use engine::gpu::{Limits, Plan};
use graph::{Graph, Program, Tensor, grad};
use models::nn::AdamW;
use models::vae::{self, Config};
use models::{diffusion, gan::dcgan, transformer, unet};

const SHIPPED: Config = Config::binary(32, 256, 32);

#[track_caller]
fn plan(program: &Program) -> Plan {
    Plan::new(program, &Limits::default()).unwrap_or_else(|e| panic!("{e}\n{program}"))
}

/// The budgets are what the planner reaches today with the 8 buffers a shader that every browser allows.
#[test]
fn the_vae_keeps_to_its_budget_of_dispatches() {
    for (what, program, budget) in [
        ("training", vae::trainer(&SHIPPED, &stage(128, 1), ADAM), 35),
        ("training on IWAE-5", vae::trainer(&SHIPPED, &stage(128, 5), ADAM), 40),
        ("16 samples", vae::sampler(&SHIPPED, 16), 4),
        ("IWAE-64 of an image", vae::weigher(&SHIPPED, 64, true), 8),
        ("encoder", vae::encoder(&SHIPPED, 1), 5),
    ] {
        let plan = plan(&program);
        assert!(plan.dispatches() <= budget, "{what}: {} dispatches, budget {budget}\n{plan}", plan.dispatches());
        assert_eq!(plan.copies(), 0, "{what}: every state can be replaced in place\n{plan}");
    }
}

/// Forward passes, one decoded token, and training steps. Values that are not needed at the same time share buffers.
#[test]
fn networks_keep_to_their_budgets_of_dispatches_and_memory() {
    let unet = unet::Config { blocks: 2, ..unet::Config::default() };
    let attentive = unet::Config { blocks: 2, attention: vec![2], ..unet::Config::default() };
    let lm = transformer::Config { vocabulary: 256, context: 256, layers: 6, heads: 6, width: 384 };
    let gan = dcgan::Config { latents: 100, base: 4, channels: vec![256, 128, 64, 32], image_channels: 3 };
    let adam = AdamW::default();
    for (what, program, budget) in [
        ("U-Net", diffusion::denoiser(&unet::Config::default(), 1), 67),
        ("U-Net of two blocks a level", diffusion::denoiser(&unet, 1), 94),
        ("U-Net of two blocks a level with attention", diffusion::denoiser(&attentive, 1), 114),
        ("U-Net, training", diffusion::train_step(&unet::Config::default(), 4, diffusion::Target::Noise, adam), 402),
        ("transformer, 256 tokens", transformer::prefill(&lm, 1, 256), 50),
        ("transformer, one token", transformer::decode(&lm, 1), 63),
        ("transformer, training", transformer::trainer(&lm, 2, 64, adam), 231),
        ("DCGAN generator", dcgan::generator(&gan, 1), 5),
        ("VAE, training", vae::trainer(&SHIPPED, &stage(128, 1), ADAM), 35),
    ] {
        let plan = plan(&program);
        assert!(plan.dispatches() <= budget, "{what}: {} dispatches, budget {budget}\n{plan}", plan.dispatches());
        let many = Plan::new(&program, &Limits { storage_buffers: 16, ..Limits::default() }).unwrap();
        assert_eq!(plan.copies() + many.copies(), 0, "{what}: every state can be replaced in place\n{plan}");
        let ratio = plan.memory().ratio();
        assert!(ratio <= 1.1, "{what}: {ratio:.3} of the least memory\n{plan}");
    }
}

#[test]
fn a_training_step_in_full() {
    let g = Graph::new();
    let (x, w, b) = (g.input("x", &[20, 7]), g.input("w", &[7, 3]), g.input("b", &[3]));
    let loss = (x.dot(w) + b).tanh().square().mean(&[0, 1]).reshape(&[]);
    let d = grad(loss, &[w, b]);
    let momentum = g.input("momentum", &[7, 3]);
    let next = momentum * 0.9 + d[0];
    let states = [(w, w - next * 0.1), (momentum, next), (b, b - d[1] * 0.1)];
    insta::assert_snapshot!(plan(&Program::new(&[("loss", loss)], &states)));
}

#[test]
fn a_shader_in_full() {
    let g = Graph::new();
    let (x, w, b) = (g.input("x", &[20, 7]), g.input("w", &[7, 3]), g.input("b", &[3]));
    insta::assert_snapshot!(plan(&Program::new(&[("y", (x.dot(w) + b).sigmoid())], &[])).shaders()[0]);
}

#[test]
fn movement_takes_no_kernel() {
    let g = Graph::new();
    let x = g.input("x", &[4, 6]);
    let y = x.t().reshape(&[3, 8]).flip(&[0]).pad(&[1, 0], &[5, 8]).narrow(1, 2, 3);
    assert_eq!(plan(&Program::new(&[("y", (y * y).sum(&[1]) + 1.0)], &[])).dispatches(), 1);
}

#[test]
fn equal_layers_share_a_shader() {
    let g = Graph::new();
    let mut h = g.input("x", &[8, 16]);
    for i in 0..5 {
        h = (h.dot(g.input(&format!("w{i}"), &[16, 16])) + g.input(&format!("b{i}"), &[16])).tanh();
    }
    let plan = plan(&Program::new(&[("y", h)], &[]));
    assert_eq!(plan.dispatches(), 5);
    assert!(plan.shaders().windows(2).all(|w| w[0] == w[1]));
    // Two buffers take turns.
    assert_eq!(plan.memory().temporary, 2 * 8 * 16 * 4, "{plan}");
}

fn refused(program: &Program, limits: Limits) -> String {
    match Plan::new(program, &limits) {
        Ok(plan) => panic!("planned\n{plan}"),
        Err(Error::Limit { node, what }) => format!("{node}: {what}"),
        Err(e) => panic!("{e}"),
    }
}

fn one(y: Tensor<'_>) -> Program {
    Program::new(&[("y", y)], &[])
}

#[test]
fn a_limit_names_the_node() {
    let g = Graph::new();
    let wide = one(g.input("x", &[1024, 1]).expand(&[1024, 64 << 10]).exp());
    assert_eq!(
        refused(&wide, Limits::default()),
        "%2 = exp [1024, 65536]: 268435456 bytes, and a buffer may have 134217728"
    );
    let limits = Limits { groups: 7, ..Limits::default() };
    assert!(refused(&one(g.iota(0, &[64 * 50])), limits).contains("50 workgroups, and a dispatch has 7 x 7"));
    let infinite = one(g.input("two", &[2]) + f32::INFINITY);
    assert!(refused(&infinite, Limits::default()).contains("not finite"));
    let empty = one(g.input("none", &[0, 3]) + 1.0);
    assert!(refused(&empty, Limits::default()).contains("no element"));
}

/// (x - mean) / deviation over the last axis.
fn normalised(x: Tensor<'_>) -> Tensor<'_> {
    let last = x.rank() - 1;
    let centred = x - x.mean(&[last]);
    centred / (centred.square().mean(&[last]) + 1e-5).sqrt()
}

/// Group normalisation of (2, 32, 16, 16), scale and shift by channel, SiLU.
fn group_norm(g: &Graph) -> Tensor<'_> {
    let x = g.input("image", &[2, 32, 16, 16]).reshape(&[2, 8, 1024]);
    let scale = |name| g.input(name, &[32]).reshape(&[1, 32, 1, 1]);
    (normalised(x).reshape(&[2, 32, 16, 16]) * scale("scale") + scale("shift")).silu()
}

fn softmax(x: Tensor<'_>) -> Tensor<'_> {
    let e = (x - x.max(&[1])).exp();
    e / e.sum(&[1])
}

#[test]
fn a_row_is_reduced_and_used_in_one_kernel() {
    for busy_threads in [0, 4096] {
        let limits = Limits { busy_threads, ..Limits::default() };
        let g = Graph::new();
        let x = g.input("x", &[50, 256]);
        let layer_norm = normalised(x) * g.input("w", &[256]) + g.input("b", &[256]);
        for (what, y) in [
            ("softmax", softmax(x)),
            ("layer norm", layer_norm),
            ("group norm with SiLU", group_norm(&g)),
            ("gradient of softmax", grad((softmax(x) * g.input("v", &[50, 256])).sum_all(), &[x])[0]),
            ("gradient of layer norm", grad((normalised(x) * g.input("v", &[50, 256])).sum_all(), &[x])[0]),
        ] {
            let plan = Plan::new(&one(y), &limits).unwrap();
            assert_eq!(plan.dispatches(), 1, "{what}\n{plan}");
        }
    }
}
