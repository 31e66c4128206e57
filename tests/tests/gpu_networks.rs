//! Small networks of each family on the GPU engine against the CPU engine: forward, with a cache, and training steps.

use conformance::close::Tolerance;
use conformance::compare::{SUMS, agree, inputs};
use graph::Program;
use models::nn::AdamW;
use models::{diffusion, gan::dcgan, transformer, unet};

/// Networks of some twenty layers whose values are of size 1; later steps start from the rounding of earlier ones.
const DEEP: Tolerance = Tolerance::new(1e-3, 1e-3);

/// Noise for weights and images, and for the other inputs what their meaning allows.
fn sensible(program: &Program) -> Vec<(String, Vec<f32>)> {
    let mut values = inputs(program);
    for (name, values) in &mut values {
        let whole =
            |values: &mut Vec<f32>, n: usize| values.iter_mut().enumerate().for_each(|(i, v)| *v = (i % n) as f32);
        match name.as_str() {
            "tokens" | "targets" => whole(values, 11),
            "class" => whole(values, 3),
            "position" => values.fill(3.0),
            "time" => values.iter_mut().for_each(|t| *t = t.abs()),
            "rates" => values.copy_from_slice(&[1e-3, 0.5, 0.25, 0.9]),
            "x" | "noise" | "z" => {}
            // Second moments are no smaller than 0.
            _ if name.starts_with("v.") => values.iter_mut().for_each(|v| *v = v.abs() + 0.1),
            _ => values.iter_mut().for_each(|v| *v *= 0.3),
        }
    }
    values
}

#[track_caller]
fn check(program: &Program, steps: usize, tolerance: Tolerance) {
    agree(program, &sensible(program), steps, tolerance);
}

fn unet() -> unet::Config {
    unet::Config {
        image_channels: 2,
        size: 8,
        patch: 1,
        channels: vec![6, 12],
        blocks: 1,
        attention: vec![1],
        heads: 2,
        groups: 3,
        classes: vec![3],
    }
}

fn transformer() -> transformer::Config {
    transformer::Config { vocabulary: 11, context: 9, layers: 2, heads: 2, width: 12 }
}

#[test]
fn unets() {
    check(&diffusion::denoiser(&unet(), 2), 1, DEEP);
}

#[test]
fn unets_in_training() {
    check(&diffusion::train_step(&unet(), 2, diffusion::Target::Velocity, AdamW::default()), 2, DEEP);
}

#[test]
fn transformers() {
    check(&transformer::prefill(&transformer(), 2, 7), 1, DEEP);
    check(&transformer::decode(&transformer(), 2), 3, DEEP);
}

#[test]
fn transformers_in_training() {
    check(&transformer::trainer(&transformer(), 2, 5, AdamW::default()), 2, DEEP);
}

#[test]
fn generators() {
    let c = dcgan::Config { latents: 5, base: 3, channels: vec![7, 4], image_channels: 3 };
    check(&dcgan::generator(&c, 2), 1, SUMS);
}
