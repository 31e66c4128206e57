//! Every gradient rule, of first and of second order, against central differences in f64; and compositions against
//! candle's own tape.

use candle_core::Var;
use conformance::close::{Tolerance, assert_close};
use conformance::difference::{Argument, check};
use conformance::reference::evaluate;
use conformance::run::{self, normal, uniform};
use conformance::tape;
use graph::{Tensor, Window};

fn any(seed: u64, shape: &[usize]) -> Argument {
    (shape.to_vec(), normal(seed, shape.iter().product()))
}

fn positive(seed: u64, shape: &[usize]) -> Argument {
    (shape.to_vec(), uniform(seed, shape.iter().product(), 0.5, 2.0))
}

/// Distinct values at least 0.1 apart, in a mixed order: no tie and no kink within a central difference's step.
fn apart(seed: u64, shape: &[usize]) -> Argument {
    let n: usize = shape.iter().product();
    let mut order: Vec<usize> = (0..n).collect();
    data::rng::Rng::new(seed, 0).shuffle(&mut order);
    (shape.to_vec(), order.iter().map(|&i| 0.1 * (i as f64 - (n / 2) as f64) + 0.05).collect())
}

#[test]
fn pointwise_functions_of_one_value() {
    let x = &[apart(1, &[3, 7])];
    check("neg", x, &|x| -x[0]);
    check("exp", x, &|x| x[0].exp());
    check("sin", x, &|x| x[0].sin());
    check("cos", x, &|x| x[0].cos());
    check("tanh", x, &|x| x[0].tanh());
    check("abs", x, &|x| x[0].abs());
    check("sigmoid", x, &|x| x[0].sigmoid());
    check("softplus", x, &|x| x[0].softplus());
    check("relu", x, &|x| x[0].relu());
    check("silu", x, &|x| x[0].silu());
    check("square", x, &|x| x[0].square());
    check("ln", &[positive(2, &[3, 7])], &|x| x[0].ln());
    check("sqrt", &[positive(3, &[3, 7])], &|x| x[0].sqrt());
}

#[test]
fn pointwise_functions_of_two_values() {
    let xy = &[apart(1, &[3, 7]), any(2, &[3, 7])];
    check("add", xy, &|x| x[0] + x[1]);
    check("sub", xy, &|x| x[0] - x[1]);
    check("mul", xy, &|x| x[0] * x[1]);
    check("div", &[any(1, &[3, 7]), positive(2, &[3, 7])], &|x| x[0] / x[1]);
    check("max", xy, &|x| x[0].maximum(x[1]));
    check("min", xy, &|x| x[0].minimum(x[1]));
    check("select", xy, &|x| x[0].lt(x[1]).select(x[0] * x[1], x[1].exp()));
    check("compare in a product", xy, &|x| x[0].le(x[1]) * x[0] * x[1]);
    check("one value on both sides", &[any(3, &[5])], &|x| x[0].maximum(x[0]) * x[0] / (x[0] * x[0] + 1.0));
}

#[test]
fn broadcasting_sums_over_repeated_axes() {
    let xy = &[any(1, &[3, 1, 5]), positive(2, &[4, 1])];
    check("mul", xy, &|x| x[0] * x[1]);
    check("div", xy, &|x| x[0] / x[1]);
    check("scalar", &[any(1, &[]), any(2, &[2, 3])], &|x| x[0] * x[1].sin());
    check("bias", &[any(1, &[2, 3, 2, 2]), any(2, &[3])], &|x| (x[0] + x[1].reshape(&[1, 3, 1, 1])).tanh());
}

#[test]
fn reductions() {
    for axes in [&[0][..], &[1], &[2], &[0, 1], &[1, 2], &[0, 2], &[0, 1, 2]] {
        check("sum", &[any(1, &[3, 4, 5])], &|x| x[0].sin().sum(axes));
        check("max", &[apart(2, &[3, 4, 5])], &|x| x[0].max(axes).square());
        check("mean", &[any(3, &[3, 4, 5])], &|x| x[0].square().mean(axes));
    }
    check("sum_all", &[any(4, &[1, 7])], &|x| x[0].exp().sum_all());
}

/// The derivative of a maximum at a tie is shared equally: a choice of this crate that candle shares no more than
/// central differences do.
#[test]
fn ties_share_the_gradient() {
    let g = graph::Graph::new();
    let x = g.input("x", &[4]);
    let dx = graph::grad(x.max(&[0]).sum_all(), &[x])[0];
    let program = graph::Program::new(&[("dx", dx)], &[]);
    let got = evaluate(&program, &[("x", &[2.0, 1.0, 2.0, 0.0])]);
    assert_eq!(got[0], [0.5, 0.0, 0.5, 0.0]);
}

/// At a tie `maximum` and `minimum` each give their gradient once, and relu gives none at 0.
#[test]
fn ties_of_two_values_count_once() {
    let g = graph::Graph::new();
    let [x, y] = ["x", "y"].map(|name| g.input(name, &[3]));
    for (what, z, expected) in [("max", x.maximum(y), [0.0, 0.0, 1.0]), ("min", x.minimum(y), [1.0, 0.0, 0.0])] {
        let grads = graph::grad(z.sum_all(), &[x, y]);
        let program = graph::Program::new(&[("dx", grads[0]), ("sum", grads[0] + grads[1])], &[]);
        let got = evaluate(&program, &[("x", &[1.0, 2.0, 3.0]), ("y", &[2.0; 3])]);
        assert_eq!(got[1], [1.0; 3], "{what}");
        assert_eq!((got[0][0], got[0][2]), (expected[0], expected[2]), "{what}");
    }
    let relu = graph::grad(x.relu().sum_all(), &[x])[0];
    let program = graph::Program::new(&[("dx", relu)], &[]);
    assert_eq!(evaluate(&program, &[("x", &[-1.0, 0.0, 1.0])])[0], [0.0, 0.0, 1.0]);
}

#[test]
fn matrix_products() {
    check("matrix", &[any(1, &[3, 5]), any(2, &[5, 2])], &|x| x[0].dot(x[1]));
    check("one row", &[any(1, &[1, 4]), any(2, &[4, 1])], &|x| x[0].dot(x[1]));
    check("batch", &[any(1, &[2, 3, 4]), any(2, &[2, 4, 5])], &|x| x[0].dot(x[1]));
    check("transposed", &[any(1, &[2, 4, 3]), any(2, &[2, 5, 4])], &|x| x[0].t().dot(x[1].t()).tanh());
    check("with itself", &[any(1, &[4, 4])], &|x| x[0].dot(x[0]));
}

#[test]
fn movements() {
    let x = &[any(1, &[2, 3, 4])];
    check("reshape", x, &|x| x[0].reshape(&[4, 6]).sin());
    check("permute", x, &|x| x[0].permute(&[2, 0, 1]).sin());
    check("permute back", x, &|x| x[0].permute(&[1, 2, 0]).sin());
    check("expand", &[any(1, &[2, 1, 1])], &|x| x[0].expand(&[2, 3, 4]).sin());
    check("broadcast", &[any(1, &[3, 1])], &|x| x[0].broadcast_to(&[2, 3, 4]).sin());
    check("slice", x, &|x| x[0].slice(&[1, 0, 2], &[1, 3, 2]).sin());
    check("narrow", x, &|x| x[0].narrow(2, 1, 2).sin());
    check("pad", x, &|x| x[0].pad(&[0, 2, 1], &[3, 5, 7]).cos());
    check("flip", x, &|x| x[0].flip(&[0, 2]).sin() * x[0]);
    check("slices that overlap", x, &|x| x[0].narrow(2, 0, 3) * x[0].narrow(2, 1, 3));
}

/// An index that repeats an entry (0), leaves some out, and is outside the axis (-1, 5 and 7).
fn seven<'g>(x: &Tensor<'g>) -> Tensor<'g> {
    let i = x.graph().iota(0, &[7]);
    i.lt(x.graph().scalar(2.0)).select(x.graph().scalar(0.0), i * 2.0 - 5.0)
}

#[test]
fn gather_and_scatter_add() {
    check("gather", &[any(1, &[5, 3])], &|x| x[0].gather(0, seven(&x[0])).sin());
    check("gather columns", &[any(2, &[2, 5])], &|x| x[0].gather(1, seven(&x[0])).sin());
    check("scatter_add", &[any(3, &[7, 3])], &|x| x[0].scatter_add(0, seven(&x[0]), 5).sin());
    check("scatter_add columns", &[any(4, &[2, 7])], &|x| x[0].scatter_add(1, seven(&x[0]), 5).sin());
}

fn window(stride: [usize; 2], pad: [(isize, isize); 2], dilation: [usize; 2], lhs_dilation: [usize; 2]) -> Window {
    Window { stride, pad, dilation, lhs_dilation }
}

/// Fewer, equal and more output channels: with stride 1, `conv_kernel_grad` takes the smaller side first.
const CHANNELS: [(usize, usize); 3] = [(3, 1), (2, 2), (1, 3)];

#[track_caller]
fn check_conv(w: Window, size: [usize; 2], kernel: [usize; 2]) {
    for (c, o) in CHANNELS {
        let x = any(1, &[2, c, size[0], size[1]]);
        let k = any(2, &[o, c, kernel[0], kernel[1]]);
        check(&format!("{w:?}, {size:?} with {kernel:?}, {c} to {o} channels"), &[x, k], &move |x| x[0].conv(x[1], w));
    }
}

#[test]
fn convolutions() {
    check_conv(Window::new(1, 0), [4, 5], [1, 1]);
    check_conv(Window::new(1, 1), [4, 3], [3, 3]);
    check_conv(Window::new(1, 2), [3, 4], [5, 3]);
    check_conv(Window::new(2, 0), [5, 6], [3, 3]);
    check_conv(Window::new(2, 1), [6, 5], [4, 4]);
    check_conv(Window::new(3, 2), [5, 7], [2, 3]);
    check_conv(Window::new(2, 0), [6, 7], [1, 1]);
    check_conv(Window::new(1, 0), [3, 3], [3, 3]);
}

#[test]
fn convolutions_with_uneven_windows() {
    let one = [1, 1];
    check_conv(window(one, [(2, 0), (0, 1)], one, one), [4, 5], [3, 2]);
    check_conv(window([2, 1], [(0, 2), (1, 0)], one, one), [5, 4], [2, 3]);
    check_conv(window(one, [(0, 0), (0, 0)], [2, 1], one), [6, 4], [3, 2]);
    check_conv(window([1, 2], [(1, 2), (2, 1)], [2, 3], one), [5, 6], [2, 2]);
    check_conv(window(one, [(1, 1), (0, 2)], one, [2, 3]), [3, 3], [2, 3]);
    check_conv(window([2, 3], [(2, 1), (1, 3)], one, [3, 2]), [3, 4], [3, 2]);
    check_conv(window([2, 1], [(1, 0), (2, 2)], [2, 2], [2, 1]), [4, 4], [2, 3]);
}

#[test]
fn convolutions_that_crop() {
    let one = [1, 1];
    check_conv(window(one, [(-1, 0), (0, -1)], one, one), [5, 5], [2, 2]);
    check_conv(window([2, 2], [(-1, -2), (1, -1)], one, one), [7, 6], [2, 3]);
    check_conv(window(one, [(-1, 2), (3, -2)], [1, 2], [2, 2]), [3, 4], [2, 2]);
    // Padding beyond the kernel's reach, so that the gradient of the input crops.
    check_conv(window(one, [(3, 4), (4, 3)], one, one), [2, 3], [2, 3]);
}

/// What convolution and pixel shuffle make together; its gradient is taken through reshapes of permutations.
#[test]
fn pixel_shuffle_after_a_convolution() {
    let args = &[any(1, &[1, 2, 3, 3]), any(2, &[4, 2, 3, 3])];
    check("pixel shuffle", args, &|x| models::nn::pixel_shuffle(x[0].conv(x[1], Window::new(1, 1)).silu(), 2));
}

#[test]
fn densities_and_log_sum_exp() {
    let x = (vec![2, 3], vec![0.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
    check("bernoulli", &[any(1, &[2, 3])], &|l| {
        let x = l[0].graph().iota(1, &[2, 3]).lt(l[0].graph().scalar(2.0));
        models::nn::bernoulli_log_prob(x, l[0])
    });
    check("bernoulli in x", &[x, any(2, &[2, 3])], &|x| models::nn::bernoulli_log_prob(x[0], x[1]));
    check("normal", &[any(3, &[4])], &|z| models::nn::standard_normal_log_prob(z[0]));
    check("kl", &[any(4, &[2, 3]), any(5, &[2, 3])], &|q| models::nn::normal_kl(q[0], q[1]));
    for axis in [0, 1] {
        check("log_sum_exp", &[apart(6, &[3, 4])], &move |x| models::nn::log_sum_exp(x[0], axis));
    }
    check("softmax", &[apart(7, &[3, 4])], &|x: &[Tensor]| (x[0] - models::nn::log_sum_exp(x[0], 1)).exp());
}

/// The gradient with respect to a tensor in the middle, to one that is not used, and to the result itself.
#[test]
fn gradients_of_any_tensor() {
    let g = graph::Graph::new();
    let [x, unused] = ["x", "unused"].map(|name| g.input(name, &[3]));
    let middle = x.sin();
    let y = (middle * x).sum_all();
    let grads = graph::grad(y, &[middle, unused, y, x]);
    let program =
        graph::Program::new(&[("middle", grads[0]), ("unused", grads[1]), ("y", grads[2]), ("x", grads[3])], &[]);
    let at = [0.3, -1.0, 2.0];
    let got = evaluate(&program, &[("x", &at)]);
    assert_eq!(got[0], at);
    assert_eq!(got[1], [0.0; 3]);
    assert_eq!(got[2], [1.0]);
    for (g, x) in got[3].iter().zip(at) {
        assert!((g - (x.cos() * x + x.sin())).abs() < 1e-15);
    }
}

/// Of the CPU engine, in f32, relative to the largest gradient of the argument; the reference must be 1e-10 near.
const F32: f64 = 1e-5;

/// Gradients of a scalar on the CPU engine and in the reference against candle's tape in f64.
#[track_caller]
fn check_tape(
    what: &str,
    arguments: &[Argument],
    build: impl for<'g> Fn(&[Tensor<'g>]) -> Tensor<'g>,
    on_tape: impl Fn(&[candle_core::Tensor]) -> candle_core::Result<candle_core::Tensor>,
) {
    let vars: Vec<Var> =
        arguments.iter().map(|(shape, x)| Var::from_tensor(&tape::tensor(x, shape).unwrap()).unwrap()).collect();
    let y = on_tape(&vars.iter().map(|v| v.as_tensor().clone()).collect::<Vec<_>>()).unwrap();
    let store = y.backward().unwrap();

    let g = graph::Graph::new();
    let names: Vec<String> = (0..arguments.len()).map(|i| format!("x{i}")).collect();
    let xs: Vec<Tensor> = names.iter().zip(arguments).map(|(name, (shape, _))| g.input(name, shape)).collect();
    let y_graph = build(&xs);
    let mut outputs = vec![("y", y_graph)];
    outputs.extend(names.iter().map(String::as_str).zip(graph::grad(y_graph, &xs)));
    let program = graph::Program::new(&outputs, &[]);
    let inputs: Vec<(&str, &[f64])> =
        names.iter().map(String::as_str).zip(arguments.iter().map(|a| &a.1[..])).collect();
    let mut expected = vec![tape::values(&y).unwrap()];
    expected.extend(vars.iter().map(|v| tape::values(store.get(v).expect("a gradient")).unwrap()));
    let engines = [("cpu", run::cpu(&program, &inputs), F32), ("reference", evaluate(&program, &inputs), 1e-10)];
    for (engine, got, rtol) in engines {
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            let value = if i == 0 { "value".to_string() } else { format!("gradient {}", i - 1) };
            assert_close(&format!("{what}, {engine}, {value}"), got, expected, Tolerance::of_largest(rtol, expected));
        }
    }
}

/// A classifier with two layers: bias, tanh, softmax and cross-entropy.
#[test]
fn a_dense_net_has_the_gradients_of_candles_tape() {
    let arguments = [any(1, &[7, 9]), any(2, &[13, 9]), any(3, &[13]), any(4, &[5, 13]), any(5, &[5])];
    check_tape(
        "dense net",
        &arguments,
        |x| {
            let h = (x[0].dot(x[1].t()) + x[2]).tanh();
            let logits = h.dot(x[3].t()) + x[4];
            let log_p = logits - models::nn::log_sum_exp(logits, 1);
            -log_p.narrow(1, 2, 1).sum_all()
        },
        |x| {
            let h = x[0].matmul(&x[1].t()?)?.broadcast_add(&x[2])?.tanh()?;
            let logits = h.matmul(&x[3].t()?)?.broadcast_add(&x[4])?;
            let log_p = logits.broadcast_sub(&tape::log_sum_exp(&logits)?.unsqueeze(1)?)?;
            log_p.narrow(1, 2, 1)?.sum_all()?.neg()
        },
    );
}

/// Three convolutions, of stride 2, padded, and dilated; candle's own `conv2d` differentiates them in its own way.
#[test]
fn a_conv_net_has_the_gradients_of_candles_tape() {
    let dilated = Window { dilation: [2, 2], ..Window::new(1, 0) };
    let arguments =
        [any(1, &[2, 2, 9, 9]), any(2, &[5, 2, 3, 3]), any(3, &[5]), any(4, &[3, 5, 3, 3]), any(5, &[4, 3, 2, 2])];
    check_tape(
        "conv net",
        &arguments,
        |x| {
            let h = (x[0].conv(x[1], Window::new(2, 1)) + x[2].reshape(&[1, 5, 1, 1])).silu();
            h.conv(x[3], Window::new(1, 1)).relu().conv(x[4], dilated).square().sum_all()
        },
        |x| {
            let h = x[0].conv2d(&x[1], 1, 2, 1, 1)?.broadcast_add(&x[2].reshape((1, 5, 1, 1))?)?;
            let h = tape::silu(&h)?.conv2d(&x[3], 1, 1, 1, 1)?.relu()?;
            h.conv2d(&x[4], 0, 1, 2, 1)?.sqr()?.sum_all()
        },
    );
}

#[test]
fn densities_have_the_gradients_of_candles_tape() {
    let arguments = [any(1, &[6, 11]), any(2, &[6, 11])];
    check_tape(
        "softmax",
        &arguments,
        |x| ((x[0] - models::nn::log_sum_exp(x[0], 1)).exp() * x[1]).sum_all(),
        |x| (x[0].broadcast_sub(&tape::log_sum_exp(&x[0])?.unsqueeze(1)?)?.exp()? * &x[1])?.sum_all(),
    );
    check_tape(
        "softplus and sigmoid",
        &arguments,
        |x| ((x[0] * 5.0).softplus() * x[1].sigmoid()).sum_all(),
        |x| (tape::softplus(&(&x[0] * 5.0)?)? * tape::sigmoid(&x[1])?)?.sum_all(),
    );
    check_tape(
        "kl",
        &arguments,
        |x| models::nn::normal_kl(x[0], x[1]).sum_all(),
        |x| ((x[0].sqr()? + x[1].exp()?)? - &x[1])?.sum_all()?.affine(0.5, -33.0),
    );
}
