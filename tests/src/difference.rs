//! Gradients judged by central differences in f64.

use crate::close::{Tolerance, assert_close};
use crate::reference::{Reference, evaluate};
use crate::run;
use graph::{Graph, Program, Tensor, vjp};

/// The error allowed between a gradient and its central difference, relative to the largest element of the gradient or
/// to 1, whichever is larger.
/// Rounding gives about 1e-16 / STEP, the cut-off of the series about STEP^2.
pub const TOLERANCE: f64 = 1e-8;

const STEP: f64 = 1e-5;

/// A function of tensors that builds a tensor.
pub type Build = dyn for<'g> Fn(&[Tensor<'g>]) -> Tensor<'g>;

/// An argument: its shape and where its derivative is taken.
pub type Argument = (Vec<usize>, Vec<f64>);

/// Checks the vector-Jacobian product of `build` at `arguments` for a random vector, with respect to every argument; and
/// the same of those products, for another random vector: the gradient of a gradient.
#[track_caller]
pub fn check(what: &str, arguments: &[Argument], build: &Build) {
    let first = check_order(&format!("{what}, first order"), arguments, &|x| vec![build(x)]);
    let second = check_order(&format!("{what}, second order"), arguments, &|x| {
        let y = build(x);
        let v = y.graph().input("cotangent", &y.shape());
        vjp(y, v, x)
    });
    println!("{what}: at most {:.1e} and {:.1e} of the largest", first * TOLERANCE, second * TOLERANCE);
}

/// Sum of (output . weight) over the outputs of `build`, its gradients by `vjp`, and by central differences. Returns the
/// largest error in units of the tolerance.
#[track_caller]
fn check_order(what: &str, arguments: &[Argument], build: &dyn for<'g> Fn(&[Tensor<'g>]) -> Vec<Tensor<'g>>) -> f64 {
    let g = Graph::new();
    let names: Vec<String> = (0..arguments.len()).map(|i| format!("x{i}")).collect();
    let xs: Vec<Tensor> = names.iter().zip(arguments).map(|(name, (shape, _))| g.input(name, shape)).collect();
    let ys = build(&xs);
    let weighted = ys.iter().enumerate().map(|(i, &y)| (y * g.input(&format!("w{i}"), &y.shape())).sum_all());
    let loss = weighted.reduce(|a, b| a + b).expect("an output");
    let grads = vjp(loss, g.scalar(1.0), &xs);

    let mut outputs: Vec<(&str, Tensor)> = names.iter().map(String::as_str).zip(grads).collect();
    outputs.push(("loss", loss));
    let all = Program::new(&outputs, &[]);
    let alone = Program::new(&[("loss", loss)], &[]);

    let values = |program: &Program| -> Vec<(String, Vec<f64>)> {
        let named = program.inputs.iter().map(|(name, id)| {
            let own = names.iter().position(|n| n == name).map(|at| arguments[at].1.clone());
            // Seeded by the name: both Programs see the same vectors.
            let seed = name.bytes().fold(0u64, |seed, byte| seed.rotate_left(8) ^ u64::from(byte));
            (name.clone(), own.unwrap_or_else(|| run::normal(seed, program.node(*id).len())))
        });
        named.collect()
    };
    let inputs = values(&all);
    let borrowed: Vec<(&str, &[f64])> = inputs.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
    let got = evaluate(&all, &borrowed);

    let mut reference = Reference::new(&alone);
    values(&alone).iter().for_each(|(name, v)| reference.write(name, v));
    let mut worst = 0.0f64;
    for (slot, (name, (_, at))) in names.iter().zip(arguments).enumerate() {
        let expected = match alone.input(name) {
            Some(_) => central_differences(&mut reference, name, at),
            None => vec![0.0; at.len()],
        };
        let largest = expected.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
        let tolerance = Tolerance::new(TOLERANCE * largest, 0.0);
        worst = worst.max(assert_close(&format!("{what}, argument {slot}"), &got[slot], &expected, tolerance));
    }
    worst
}

/// d loss / d name, one element at a time.
fn central_differences(reference: &mut Reference, name: &str, at: &[f64]) -> Vec<f64> {
    let mut x = at.to_vec();
    let mut loss = |x: &[f64]| {
        reference.write(name, x);
        reference.step();
        reference.read("loss")[0]
    };
    let gradient = (0..at.len()).map(|i| {
        let step = STEP * at[i].abs().max(1.0);
        x[i] = at[i] + step;
        let above = loss(&x);
        x[i] = at[i] - step;
        let below = loss(&x);
        x[i] = at[i];
        (above - below) / (2.0 * step)
    });
    let gradient = gradient.collect();
    loss(at);
    gradient
}
