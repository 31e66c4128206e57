//! Every operation on the CPU engine against the f64 reference, on odd shapes and on random ones.
//!
//! Tolerances: 1e-5 for functions of single values, 1e-4 for sums; the absolute part covers results near 0.

use conformance::close::{Tolerance, assert_close, narrow, widen};
use conformance::reference::evaluate;
use conformance::run::{self, normal, uniform};
use graph::{Graph, Program, Tensor, Window};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const POINTWISE: Tolerance = Tolerance::new(1e-6, 1e-5);
const SUM: Tolerance = Tolerance::new(1e-5, 1e-4);
/// Movements and comparisons compute nothing.
const EXACT: Tolerance = Tolerance::new(0.0, 0.0);

/// Shapes at and around the widths of SIMD registers and of matrix tiles.
const SHAPES: [&[usize]; 9] = [&[], &[1], &[3], &[7, 1], &[1, 9], &[15, 17], &[31, 33], &[2, 3, 5], &[1, 65, 2]];

/// The CPU engine and the reference on the same arguments.
#[track_caller]
fn check(
    what: &str,
    arguments: &[(&[usize], &[f64])],
    tolerance: Tolerance,
    build: impl for<'g> Fn(&[Tensor<'g>]) -> Tensor<'g>,
) {
    let g = Graph::new();
    let names = ["a", "b", "c"];
    let xs: Vec<Tensor> = names.iter().zip(arguments).map(|(name, (shape, _))| g.input(name, shape)).collect();
    let program = Program::new(&[("y", build(&xs))], &[]);
    // An argument that the result does not need is no input of the Program.
    let used = names.iter().zip(arguments).filter(|(name, _)| program.input(name).is_some());
    let inputs: Vec<(&str, &[f64])> = used.map(|(name, (_, values))| (*name, *values)).collect();
    assert_close(what, &run::cpu(&program, &inputs)[0], &evaluate(&program, &inputs)[0], tolerance);
}

/// Calls `case` with random inputs; a failure is shrunk, and the smallest input is printed.
fn property<S: Strategy>(cases: u32, strategy: S, case: impl Fn(S::Value)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    // The same cases in every run: CI does not fail by chance.
    let rng = proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let result = TestRunner::new_with_rng(config, rng).run(&strategy, |value| {
        case(value);
        Ok(())
    });
    result.unwrap();
}

fn len(shape: &[usize]) -> usize {
    shape.iter().product()
}

#[test]
fn functions_of_one_value() {
    for shape in SHAPES {
        let any = normal(1, len(shape));
        let wide = uniform(2, len(shape), -30.0, 30.0);
        let positive = uniform(3, len(shape), 1e-3, 50.0);
        check("neg", &[(shape, &any)], EXACT, |x| -x[0]);
        check("exp", &[(shape, &wide)], POINTWISE, |x| x[0].exp());
        check("ln", &[(shape, &positive)], POINTWISE, |x| x[0].ln());
        check("sqrt", &[(shape, &positive)], POINTWISE, |x| x[0].sqrt());
        check("sin", &[(shape, &wide)], POINTWISE, |x| x[0].sin());
        check("cos", &[(shape, &wide)], POINTWISE, |x| x[0].cos());
        check("tanh", &[(shape, &any)], POINTWISE, |x| x[0].tanh());
        check("abs", &[(shape, &any)], EXACT, |x| x[0].abs());
        check("sigmoid", &[(shape, &wide)], POINTWISE, |x| x[0].sigmoid());
        check("softplus", &[(shape, &wide)], POINTWISE, |x| x[0].softplus());
        check("relu", &[(shape, &any)], EXACT, |x| x[0].relu());
        check("silu", &[(shape, &wide)], POINTWISE, |x| x[0].silu());
    }
}

/// Where the plain formulas overflow. Log-densities are made of these: a wrong value far out is a wrong likelihood.
#[test]
fn functions_far_from_zero() {
    let x = [-1e30, -200.0, -104.0, -88.0, -20.0, -1e-30, 0.0, 1e-30, 20.0, 88.0, 104.0, 200.0, 1e30];
    let relative = Tolerance::new(1e-37, 1e-5);
    check("softplus", &[(&[13], &x)], relative, |x| x[0].softplus());
    check("sigmoid", &[(&[13], &x)], relative, |x| x[0].sigmoid());
    check("tanh", &[(&[13], &x)], relative, |x| x[0].tanh());
    check("log_sum_exp", &[(&[13], &x)], relative, |x| models::nn::log_sum_exp(x[0], 0));
    check("bernoulli", &[(&[13], &x)], relative, |x| models::nn::bernoulli_log_prob(x[0].graph().scalar(0.0), x[0]));
}

/// What IEEE 754 says: 1/0 is infinite, ln of a negative number is no number; nothing is hidden.
#[test]
fn infinities_and_nan_pass_through() {
    let x = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.0, -1.0];
    check("exp", &[(&[5], &x)], EXACT, |x| x[0].exp() * 0.0);
    check("reciprocal", &[(&[5], &x)], EXACT, |x| 1.0 / x[0]);
    check("ln", &[(&[5], &x)], EXACT, |x| x[0].ln());
    let denormal = Tolerance::new(1e-37, 0.0);
    check("sigmoid", &[(&[3], &x[..3])], denormal, |x| x[0].sigmoid());
    check("softplus", &[(&[3], &x[..3])], denormal, |x| x[0].softplus());
    check("compare", &[(&[5], &x)], EXACT, |x| x[0].lt(x[0].graph().scalar(0.5)) + x[0].eq(x[0]) * 2.0);
    check("select", &[(&[5], &x)], EXACT, |x| x[0].eq(x[0]).select(x[0], x[0].graph().scalar(7.0)));
}

#[test]
fn functions_of_two_values() {
    for shape in SHAPES {
        let (a, b) = (normal(1, len(shape)), uniform(2, len(shape), 0.5, 2.0));
        // Coarse values, so that ties occur.
        let coarse = |seed| normal(seed, len(shape)).iter().map(|v| v.round()).collect::<Vec<f64>>();
        let (c, d) = (coarse(3), coarse(4));
        let ab = [(shape, a.as_slice()), (shape, b.as_slice())];
        let cd = [(shape, c.as_slice()), (shape, d.as_slice())];
        check("add", &ab, POINTWISE, |x| x[0] + x[1]);
        check("sub", &ab, POINTWISE, |x| x[0] - x[1]);
        check("mul", &ab, POINTWISE, |x| x[0] * x[1]);
        check("div", &ab, POINTWISE, |x| x[0] / x[1]);
        check("max", &cd, EXACT, |x| x[0].maximum(x[1]));
        check("min", &cd, EXACT, |x| x[0].minimum(x[1]));
        check("lt", &cd, EXACT, |x| x[0].lt(x[1]));
        check("le", &cd, EXACT, |x| x[0].le(x[1]));
        check("eq", &cd, EXACT, |x| x[0].eq(x[1]));
        check("select", &[cd[0], ab[0], ab[1]], EXACT, |x| x[0].select(x[1], x[2]));
    }
}

/// A shape of rank 1 to 4, and one choice out of two for each axis.
fn shape_and_choice(largest: usize) -> impl Strategy<Value = (Vec<usize>, Vec<bool>)> {
    prop::collection::vec((1..=largest, any::<bool>()), 1..=4).prop_map(|axes| axes.into_iter().unzip())
}

fn chosen(choice: &[bool]) -> Vec<usize> {
    (0..choice.len()).filter(|&i| choice[i]).collect()
}

#[test]
fn broadcasting() {
    property(64, shape_and_choice(7), |(shape, repeated)| {
        let small: Vec<usize> = shape.iter().zip(&repeated).map(|(&n, &r)| if r { 1 } else { n }).collect();
        let (a, b) = (normal(1, len(&shape)), normal(2, len(&small)));
        check("broadcast", &[(&shape, &a), (&small, &b)], POINTWISE, |x| x[0] * x[1]);
        check("expand", &[(&small, &b)], EXACT, |x| x[0].expand(&shape));
        // Without the leading axes.
        let tail = &small[1..];
        check("shorter", &[(&shape, &a), (tail, &b[..len(tail)])], POINTWISE, |x| x[1] - x[0]);
    });
}

#[test]
fn reductions() {
    property(96, shape_and_choice(9), |(shape, choice)| {
        let (x, axes) = (normal(1, len(&shape)), chosen(&choice));
        check("sum", &[(&shape, &x)], SUM, |x| x[0].sum(&axes));
        check("max", &[(&shape, &x)], EXACT, |x| x[0].max(&axes));
        // Of a value that is not contiguous.
        let backwards: Vec<usize> = (0..shape.len()).rev().collect();
        check("sum of a permutation", &[(&shape, &x)], SUM, |x| x[0].permute(&backwards).sum(&[0]));
        check("max of a permutation", &[(&shape, &x)], EXACT, |x| x[0].permute(&backwards).max(&[0]));
    });
    for n in [1023, 1024, 1025, 60_000] {
        let x = uniform(n as u64, n, 0.0, 1.0);
        check("a long sum", &[(&[n], &x)], SUM, |x| x[0].sum_all());
        check("a long mean", &[(&[n], &x)], SUM, |x| x[0].mean(&[0]));
    }
}

#[test]
fn products() {
    let sizes = [(1, 1, 1), (1, 3, 1), (3, 1, 5), (7, 9, 5), (15, 17, 16), (33, 31, 8), (65, 64, 63), (2, 784, 3)];
    for (m, k, n) in sizes {
        for batch in [&[][..], &[3], &[2, 3]] {
            let shape = |a, b| [batch, &[a, b]].concat();
            let (a, b) = (normal(1, len(&shape(m, k))), normal(2, len(&shape(k, n))));
            let what = format!("dot {batch:?} {m} {k} {n}");
            check(&what, &[(&shape(m, k), &a), (&shape(k, n), &b)], SUM, |x| x[0].dot(x[1]));
            check(&what, &[(&shape(k, m), &a), (&shape(k, n), &b)], SUM, |x| x[0].t().dot(x[1]));
            check(&what, &[(&shape(m, k), &a), (&shape(n, k), &b)], SUM, |x| x[0].dot(x[1].t()));
            check(&what, &[(&shape(k, m), &a), (&shape(n, k), &b)], SUM, |x| x[0].t().dot(x[1].t()));
        }
    }
}

/// Operands that the engine holds as views: repeated, sliced and turned.
#[test]
fn products_of_views() {
    let (a, b) = (normal(1, 60), normal(2, 60));
    let args: [(&[usize], &[f64]); 2] = [(&[3, 4, 5], &a), (&[5, 4, 3], &b)];
    check("repeated rows", &args, SUM, |x| x[0].narrow(1, 0, 1).expand(&[3, 6, 5]).dot(x[1].permute(&[2, 0, 1])));
    check("repeated batch", &args, SUM, |x| x[0].narrow(0, 2, 1).expand(&[3, 4, 5]).dot(x[1].permute(&[2, 0, 1])));
    check("sliced", &args, SUM, |x| x[0].slice(&[0, 1, 1], &[3, 2, 4]).dot(x[1].permute(&[2, 1, 0])));
    check("flipped", &args, SUM, |x| x[0].flip(&[2]).dot(x[1].permute(&[2, 0, 1]).flip(&[0, 1])));
    check("a constant", &args, SUM, |x| x[0].dot(x[0].graph().full(0.5, &[3, 5, 2])) + x[1].sum_all());
}

#[test]
fn movements() {
    let part = (1usize..=6, 0usize..=3, 0usize..=3, any::<bool>(), 0u32..1000);
    property(128, prop::collection::vec(part, 1..=4), |axes| {
        let shape: Vec<usize> = axes.iter().map(|a| a.0).collect();
        let mut perm: Vec<usize> = (0..axes.len()).collect();
        perm.sort_by_key(|&i| axes[i].4);
        let padded: Vec<usize> = axes.iter().map(|a| a.0 + a.1 + a.2).collect();
        let start: Vec<usize> = axes.iter().map(|a| a.1).collect();
        let inner: Vec<usize> = axes.iter().map(|a| a.1.min(a.0 - 1)).collect();
        let size: Vec<usize> = axes.iter().zip(&inner).map(|(a, from)| (a.0 - from).min(a.2 + 1)).collect();
        let flipped = chosen(&axes.iter().map(|a| a.3).collect::<Vec<_>>());
        let x = normal(1, len(&shape));
        let x: [(&[usize], &[f64]); 1] = [(&shape, &x)];
        check("permute", &x, EXACT, |x| x[0].permute(&perm));
        check("flip", &x, EXACT, |x| x[0].flip(&flipped));
        check("pad", &x, EXACT, |x| x[0].pad(&start, &padded));
        check("slice", &x, EXACT, |x| x[0].slice(&inner, &size));
        check("reshape", &x, EXACT, |x| x[0].permute(&perm).reshape(&[len(&shape)]));
        check("all", &x, POINTWISE, |x| x[0].permute(&perm).flip(&flipped).permute(&perm).sin() + x[0].sum_all());
        check("iota", &x, EXACT, |x| x[0] * 0.0 + x[0].graph().iota(shape.len() - 1, &shape));
    });
}

/// One axis of a convolution: input, kernel, stride, padding before and after, dilation, spreading of the input.
type Axis = (usize, usize, usize, (isize, isize), usize, usize);

fn axis() -> impl Strategy<Value = Axis> {
    (1usize..=7, 1usize..=4, 1usize..=3, (-2isize..=4, -2isize..=4), 1usize..=2, 1usize..=3)
}

/// Images, channels in and out, and both axes of a convolution that has a result.
fn convolution() -> impl Strategy<Value = ([usize; 3], Axis, Axis)> {
    let sizes = [1usize..=3, 1usize..=5, 1usize..=5];
    (sizes, axis(), axis()).prop_filter("kernel does not fit", |(_, y, x)| {
        let w = window(y, x);
        w.out_size(0, y.0, y.1) > 0 && w.out_size(1, x.0, x.1) > 0
    })
}

#[test]
fn convolutions() {
    property(400, convolution(), |(sizes, y, x)| check_conv(sizes, [y.0, x.0], [y.1, x.1], window(&y, &x)));
}

/// Convolution is linear in both operands, so <y, v> = <x, x_bar> = <k, k_bar> for the products x_bar and k_bar of a random
/// v: nearly no wrong gradient passes that.
#[test]
fn gradients_of_convolutions() {
    property(400, convolution(), |([b, c, o], y, x)| {
        let w = window(&y, &x);
        let (x_shape, k_shape) = ([b, c, y.0, x.0], [o, c, y.1, x.1]);
        let g = Graph::new();
        let (x, k) = (g.input("x", &x_shape), g.input("k", &k_shape));
        let y = x.conv(k, w);
        let v = g.input("v", &y.shape());
        let [x_bar, k_bar] = graph::vjp(y, v, &[x, k])[..] else { panic!("two gradients") };
        let products = [("yv", y * v), ("xx", x * x_bar), ("kk", k * k_bar)].map(|(name, t)| (name, t.sum_all()));
        let program = Program::new(&[&[("x_bar", x_bar), ("k_bar", k_bar)][..], &products].concat(), &[]);
        let (x, k, v) = (normal(1, len(&x_shape)), normal(2, len(&k_shape)), normal(3, len(&v.shape())));
        let inputs: [(&str, &[f64]); 3] = [("x", &x), ("k", &k), ("v", &v)];
        let (got, expected) = (run::cpu(&program, &inputs), evaluate(&program, &inputs));
        for (i, name) in ["x_bar", "k_bar"].iter().enumerate() {
            assert_close(name, &got[i], &expected[i], SUM);
        }
        for product in &expected[3..] {
            assert_close("adjoint", product, &expected[2], Tolerance::new(1e-10, 1e-10));
        }
    });
}

/// The layers of the VAE and their gradients: both of the engine's forms, with more and with fewer columns.
#[test]
fn convolutions_of_the_models() {
    check_conv([2, 1, 8], [28, 28], [4, 4], Window::new(2, 1));
    check_conv([2, 8, 8], [14, 14], [4, 4], Window::new(2, 1));
    check_conv([3, 8, 16], [7, 7], [3, 3], Window::new(1, 1));
    check_conv([2, 4, 4], [14, 14], [5, 5], Window::new(1, 2));
    let spread = Window { lhs_dilation: [2, 2], ..Window::new(1, 2) };
    check_conv([2, 8, 8], [7, 7], [4, 4], spread);
    check_conv([8, 2, 8], [16, 16], [14, 14], Window::new(1, 0));
}

fn window(y: &Axis, x: &Axis) -> Window {
    Window { stride: [y.2, x.2], pad: [y.3, x.3], dilation: [y.4, x.4], lhs_dilation: [y.5, x.5] }
}

#[track_caller]
fn check_conv([b, c, o]: [usize; 3], input: [usize; 2], kernel: [usize; 2], w: Window) {
    let (x_shape, k_shape) = ([b, c, input[0], input[1]], [o, c, kernel[0], kernel[1]]);
    let (x, k) = (normal(1, len(&x_shape)), normal(2, len(&k_shape)));
    let args: [(&[usize], &[f64]); 2] = [(&x_shape, &x), (&k_shape, &k)];
    let what = format!("conv of {x_shape:?} with {k_shape:?}, {w:?}");
    check(&what, &args, SUM, |x| x[0].conv(x[1], w));
    // Operands that are views, as gradients make them.
    let turned: [(&[usize], &[f64]); 2] = [(&[c, b, input[0], input[1]], &x), (&[c, o, kernel[0], kernel[1]], &k)];
    check(&what, &turned, SUM, |x| {
        let (x, k) = (x[0].permute(&[1, 0, 2, 3]), x[1].permute(&[1, 0, 2, 3]));
        x.flip(&[3]).conv(k.flip(&[2, 3]), w)
    });
}

/// State moves on after a step; an output named like nothing else is read from that step.
#[test]
fn state_moves_on() {
    use graph::Run;
    let g = Graph::new();
    let (n, by) = (g.input("n", &[3]), g.input("by", &[]));
    let next = n + by;
    let program = Program::new(&[("before", n * 1.0), ("twice", next * 2.0)], &[(n, next)]);
    let mut cpu = pollster::block_on(engine::Engine::cpu().load(&program)).unwrap();
    let mut reference = conformance::reference::Reference::new(&program);
    let start = [1.0, 2.0, 3.0];
    cpu.write("n", &narrow(&start)).unwrap();
    reference.write("n", &start);
    for by in [1.0, 10.0, 100.0] {
        cpu.write("by", &[by as f32]).unwrap();
        reference.write("by", &[by]);
        cpu.step().unwrap();
        reference.step();
        for name in ["before", "twice", "n"] {
            assert_eq!(widen(&pollster::block_on(cpu.read(name)).unwrap()), reference.read(name), "{name}");
        }
    }
}

/// Indices that repeat, that miss entries, and that are outside the axis.
#[test]
fn gather_and_scatter_add() {
    for (shape, axis) in [(&[5][..], 0), (&[5, 3], 0), (&[3, 5], 1), (&[2, 5, 3], 1), (&[1, 1], 0), (&[17, 33], 0)] {
        let (n, m) = (shape[axis], 7);
        let index: Vec<f64> = (0..m).map(|i| (i * 3 % (n + 2)) as f64 - 1.0).collect();
        let x = normal(1, len(shape));
        check("gather", &[(shape, &x), (&[m], &index)], EXACT, |x| x[0].gather(axis, x[1]));
        let mut parts = shape.to_vec();
        parts[axis] = m;
        let y = normal(2, len(&parts));
        check("scatter_add", &[(&parts, &y), (&[m], &index)], SUM, |x| x[0].scatter_add(axis, x[1], n));
    }
    let (x, none) = (normal(1, 6), [-1.0, 1e9, f64::NAN, f64::INFINITY]);
    check("outside", &[(&[3, 2], &x), (&[4], &none)], EXACT, |x| x[0].gather(0, x[1]));
    check("outside", &[(&[4, 2], &normal(2, 8)), (&[4], &none)], EXACT, |x| x[0].scatter_add(0, x[1], 3));
}
