//! Every operation on the GPU engine against the CPU engine, on shapes around the sizes at which kernels change.

use conformance::compare::{POINTWISE, SUMS, agree, agree_within, gpu, inputs, noise, same};
use conformance::run::{ADAM, stage};
use engine::Error;
use engine::gpu::{Limits, Plan};
use graph::{Graph, Program, Run, Tensor, Window, grad};
use models::vae::{self, Config};
use pollster::block_on;

/// A Program of one output.
fn program(y: Tensor<'_>) -> Program {
    Program::new(&[("y", y)], &[])
}

#[test]
fn functions_of_one_value() {
    let g = Graph::new();
    let x = g.input("x", &[401]);
    let positive = x.abs() + 1e-3;
    let outputs = [
        ("neg", -x),
        ("exp", x.exp()),
        ("ln", positive.ln()),
        ("sqrt", positive.sqrt()),
        ("sin", x.sin()),
        ("cos", x.cos()),
        ("tanh", x.tanh()),
        ("abs", x.abs()),
        ("sigmoid", x.sigmoid()),
        ("softplus", x.softplus()),
    ];
    let program = Program::new(&outputs, &[]);
    // From -20 to 20: both tails of sigmoid and softplus, and several periods of sin.
    let x: Vec<f32> = (0..401).map(|i| i as f32 * 0.1 - 20.0).collect();
    agree(&program, &[("x".into(), x)], 1, POINTWISE);
}

#[test]
fn functions_far_out_stay_finite() {
    let g = Graph::new();
    let x = g.input("x", &[6]);
    let outputs = [("tanh", x.tanh()), ("sigmoid", x.sigmoid()), ("softplus", x.softplus())];
    let program = Program::new(&outputs, &[]);
    let x = vec![-1e4, -200.0, -90.0, 90.0, 200.0, 1e4];
    agree(&program, &[("x".into(), x)], 1, POINTWISE);
}

#[test]
fn functions_of_two_values() {
    let g = Graph::new();
    let (a, b, c) = (g.input("a", &[5, 13]), g.input("b", &[13]), g.input("c", &[5, 1]));
    let outputs = [
        ("add", a + b),
        ("sub", b - c),
        ("mul", a * b),
        ("div", a / (b.abs() + 0.5)),
        ("max", a.maximum(c)),
        ("min", a.minimum(b)),
        ("lt", a.lt(b)),
        ("le", a.le(a)),
        ("eq", a.eq(a.maximum(c))),
        ("select", a.lt(c).select(a, b)),
    ];
    same(&Program::new(&outputs, &[]), POINTWISE);
}

/// Angles as the embedding of a time has them, which WGSL's own functions are not made for. They are inputs: hardware may
/// fuse a product that makes an angle with what follows, so that the angle is not rounded, which tells near a zero.
#[test]
fn sine_and_cosine_far_from_zero() {
    let g = Graph::new();
    let (far, near) = (g.input("far", &[4097]), g.input("near", &[4097]));
    let outputs = [("sin", far.sin()), ("cos", far.cos()), ("sin near 0", near.sin()), ("cos near 0", near.cos())];
    // From -1024 to 1024, and near multiples of pi / 2.
    let times = |unit: f32| (-2048..=2048).map(|i| i as f32 * unit).collect();
    let angles = [("far".into(), times(0.5)), ("near".into(), times(std::f32::consts::FRAC_PI_2))];
    agree(&Program::new(&outputs, &[]), &angles, 1, POINTWISE);
}

#[test]
fn constants_and_indices() {
    let g = Graph::new();
    let x = g.input("x", &[3, 4]);
    let tiny = g.full(1e-20, &[3, 4]) * 1e20;
    let infinite = g.scalar(0.0).ln().broadcast_to(&[3, 4]).maximum(x);
    let outputs = [
        ("full", g.full(-2.5, &[7])),
        ("scalar", g.scalar(3.0) + 0.5),
        ("iota", g.iota(1, &[3, 4]) + g.iota(0, &[3, 4]) * 10.0),
        ("tiny", x * tiny),
        // By a normal number: WGSL promises no digits of a quotient by more than 2^126, and an H100 says 0.
        ("huge", x * 0.25 * -3.402_823_5e38 * 1.175_494_4e-38),
        ("infinite", infinite),
    ];
    same(&Program::new(&outputs, &[]), POINTWISE);
}

#[test]
fn movement() {
    let g = Graph::new();
    let x = g.input("x", &[2, 3, 5]);
    let y = x * 2.0;
    let outputs = [
        ("reshape", y.reshape(&[6, 5])),
        ("permute", y.permute(&[2, 0, 1])),
        ("reshape of permute", y.permute(&[2, 0, 1]).reshape(&[10, 3]).t()),
        ("expand", y.narrow(1, 1, 1).expand(&[2, 4, 5])),
        ("slice", y.slice(&[1, 0, 2], &[1, 3, 2])),
        ("pad", y.pad(&[1, 0, 2], &[4, 3, 9])),
        ("flip", y.flip(&[0, 2])),
        (
            "all",
            y.pad(&[0, 1, 1], &[2, 5, 7]).flip(&[1]).permute(&[1, 2, 0]).reshape(&[35, 2]).slice(&[3, 0], &[29, 2]),
        ),
        // Nothing but the zeros around it: the index of what is padded is one that it has not.
        ("beside", y.slice(&[0; 3], &[1; 3]).pad(&[1, 0, 0], &[3, 1, 1]).narrow(0, 0, 1)),
        ("beyond", y.slice(&[1, 2, 4], &[1; 3]).pad(&[0, 0, 1], &[1, 1, 4]).narrow(2, 3, 1).reshape(&[1])),
        // Zeros, also where the function of 0 is not 0 and where it is not finite.
        ("pad of ln", y.abs().ln().pad(&[0, 1, 0], &[2, 4, 5])),
        ("concatenation", x.pad(&[0, 0, 0], &[2, 6, 5]) + (x * x).pad(&[0, 3, 0], &[2, 6, 5])),
        ("symmetric", {
            let m = y.reshape(&[2, 15]).narrow(1, 0, 2);
            m + m.t()
        }),
    ];
    same(&Program::new(&outputs, &[]), POINTWISE);
}

#[test]
fn reductions() {
    // Around each change of method: 32 elements (one thread an output), then more threads with the length.
    for n in [1, 2, 31, 32, 33, 64, 511, 513, 5000] {
        let g = Graph::new();
        let x = g.input("x", &[2, n, 3]);
        let outputs = [
            ("inner", x.reshape(&[6, n]).sum(&[1])),
            ("outer", x.sum(&[0])),
            ("middle", x.sum(&[1])),
            ("both ends", (x * 2.0).sum(&[0, 2])),
            ("all", x.sum_all()),
            ("max", x.max(&[1])),
            ("max of negative", (x - 5.0).max(&[0, 1])),
            ("mean", x.mean(&[1]).sqrt().abs()),
        ];
        let program = Program::new(&outputs[..7], &[]);
        same(&program, SUMS);
    }
}

#[test]
fn softmax_and_normalisation() {
    for n in [5, 100] {
        let g = Graph::new();
        let x = g.input("x", &[7, n]);
        let e = (x - x.max(&[1])).exp();
        let centred = x - x.mean(&[1]);
        let outputs = [("softmax", e / e.sum(&[1])), ("norm", centred / (centred.square().mean(&[1]) + 1e-5).sqrt())];
        same(&Program::new(&outputs, &[]), POINTWISE);
    }
}

/// Rows in every layout, with results for rows and for elements, some of which others read.
#[test]
fn rows_in_phases() {
    for (n, m) in [(3, 4), (40, 33), (5, 700)] {
        let g = Graph::new();
        let (x, v) = (g.input("x", &[2, n, m]), g.input("v", &[2, n, m]));
        let both = x * 0.5 + v;
        let mut outputs = Vec::new();
        for (axes, names) in [([2].as_slice(), ["a", "b", "c"]), (&[1], ["d", "e", "f"]), (&[1, 2], ["g", "h", "i"])] {
            let e = (both - both.max(axes)).exp();
            let p = e / e.sum(axes);
            let centred = p - p.mean(axes);
            outputs.push((names[0], p));
            outputs.push((names[1], (p * v).sum(axes) + centred.square().mean(axes)));
            outputs.push((names[2], grad((p * v).sum_all(), &[x])[0] * centred));
        }
        same(&Program::new(&outputs, &[]), SUMS);
    }
}

#[test]
fn long_rows() {
    for n in [1000, 20_000, 40_000] {
        let g = Graph::new();
        let x = g.input("x", &[3, n]);
        let e = (x - x.max(&[1])).exp();
        same(&Program::new(&[("p", e / e.sum(&[1]) * n as f32), ("sum", x.sum(&[1]))], &[]), SUMS);
    }
}

#[test]
fn entries_by_index() {
    let g = Graph::new();
    let (x, v) = (g.input("x", &[3, 5, 4]), g.input("v", &[3, 7, 4]));
    let index = g.input("index", &[7]);
    let one = g.input("one", &[1]);
    let picked = x.gather(1, index);
    let outputs = [
        ("picked", picked),
        ("of a view", (x.permute(&[1, 0, 2]).reshape(&[15, 4]) * 2.0).gather(0, index).tanh()),
        ("of a sum", x.sum(&[2]).gather(1, index)),
        ("added", v.scatter_add(1, index, 5)),
        ("added once", v.narrow(1, 2, 1).scatter_add(1, one, 5)),
        ("gradient", grad((picked * v).square().sum_all(), &[x])[0]),
        ("last axis", x.gather(2, index).scatter_add(2, index, 3)),
    ];
    let program = Program::new(&outputs, &[]);
    let mut inputs = inputs(&program);
    for (name, values) in &mut inputs {
        match name.as_str() {
            "index" => *values = vec![2.0, 0.0, 4.0, 2.0, -1.0, 5.0, 3.0],
            "one" => *values = vec![4.0],
            _ => {}
        }
    }
    agree(&program, &inputs, 1, SUMS);
}

#[test]
fn products() {
    let sizes = [1, 3, 4, 5, 17];
    for (i, &m) in sizes.iter().enumerate() {
        for (j, &n) in sizes.iter().enumerate() {
            let k = sizes[(i + j) % 5];
            let g = Graph::new();
            let (a, b) = (g.input("a", &[m, k]), g.input("b", &[k, n]));
            same(&program(a.dot(b)), SUMS);
        }
    }
}

#[test]
fn products_in_batches_and_of_views() {
    let g = Graph::new();
    let (a, b, bias) = (g.input("a", &[2, 3, 9, 20]), g.input("b", &[2, 3, 20, 70]), g.input("bias", &[70]));
    let outputs = [
        ("batched", a.dot(b)),
        ("transposed", b.t().dot(a.t())),
        ("with bias", (a.dot(b) + bias).maximum(g.scalar(0.0))),
        (
            "heads",
            a.permute(&[0, 2, 1, 3])
                .reshape(&[2, 9, 60])
                .dot(b.permute(&[0, 1, 3, 2]).reshape(&[2, 210, 20]).t().pad(&[0, 0, 0], &[2, 60, 210])),
        ),
        ("of functions", a.exp().dot(b.tanh())),
    ];
    same(&Program::new(&outputs, &[]), SUMS);
}

#[test]
fn long_products_are_split() {
    for (m, k, n) in [(3, 1000, 5), (1, 129, 1), (10, 70, 33), (16, 4096, 16)] {
        let g = Graph::new();
        let (a, b) = (g.input("a", &[m, k]), g.input("b", &[k, n]));
        same(&program(a.dot(b) * 0.5), SUMS);
    }
}

#[test]
fn convolutions() {
    let plain = Window::new(1, 0);
    let windows = [
        plain,
        Window::new(1, 1),
        Window::new(2, 1),
        Window { pad: [(2, 0), (-1, 1)], ..plain },
        Window { dilation: [2, 1], pad: [(1, 1), (0, 2)], ..plain },
        Window { lhs_dilation: [2, 2], pad: [(2, 2), (2, 3)], ..plain },
        Window { lhs_dilation: [3, 1], pad: [(1, 0), (0, 0)], ..plain },
        Window { lhs_dilation: [2, 3], stride: [3, 2], pad: [(2, 1), (1, 2)], ..plain },
        Window { lhs_dilation: [2, 2], dilation: [2, 3], stride: [1, 2], pad: [(3, 1), (1, 2)] },
    ];
    for window in windows {
        for (b, c, o) in [(1, 1, 1), (2, 3, 5), (1, 5, 4)] {
            let g = Graph::new();
            let (x, w) = (g.input("x", &[b, c, 7, 6]), g.input("w", &[o, c, 3, 2]));
            same(&program(x.conv(w, window)), SUMS);
        }
    }
}

#[test]
fn gradients_of_convolutions() {
    for (window, k) in
        [(Window::new(1, 1), 3), (Window::new(2, 1), 4), (Window { lhs_dilation: [2, 2], ..Window::new(1, 2) }, 4)]
    {
        let g = Graph::new();
        let (x, w) = (g.input("x", &[9, 3, 8, 7]), g.input("w", &[5, 3, k, k]));
        let y = x.conv(w, window);
        let v = g.input("v", &y.shape());
        let d = grad((y.tanh() * v).sum_all(), &[x, w]);
        same(&Program::new(&[("x", d[0]), ("w", d[1])], &[]), SUMS);
    }
}

#[test]
fn gradients_of_products_and_reductions() {
    let g = Graph::new();
    let (a, b) = (g.input("a", &[3, 6, 10]), g.input("b", &[3, 10, 7]));
    let y = a.dot(b);
    let loss = (y.max(&[2]) + y.softplus().sum(&[1]).square().mean(&[2])).sum_all();
    let d = grad(loss, &[a, b]);
    let second = grad((d[0] * d[0]).sum_all(), &[b])[0];
    same(&Program::new(&[("loss", loss), ("a", d[0]), ("b", d[1]), ("second", second)], &[]), SUMS);
}

#[test]
fn dispatches_beyond_one_row_of_workgroups() {
    // 65,535 workgroups of 64 threads are 4,194,240 elements.
    let n = 4_200_001;
    let g = Graph::new();
    let program = program(g.iota(0, &[n]) * 2.0 + g.input("x", &[1]));
    agree(&program, &[("x".into(), vec![1.0])], 1, POINTWISE);
}

#[test]
fn a_value_that_is_read_by_nobody_and_one_that_is_an_output_twice() {
    let g = Graph::new();
    let x = g.input("x", &[4]);
    let y = x + 1.0;
    agree(&Program::new(&[("a", y), ("b", y), ("x again", x)], &[]), &[("x".into(), noise(1, 4))], 1, POINTWISE);
}

#[test]
fn states_move_on_in_place_or_not() {
    let g = Graph::new();
    let [a, b, c, d, e, f] = ["a", "b", "c", "d", "e", "f"].map(|name| g.input(name, &[4, 4]));
    let next = c + a.dot(b) * 0.1;
    let states = [
        (a, b),                 // takes the old b, while
        (b, a),                 // b takes the old a: one kernel does both in place
        (c, next),              // an output keeps its value: copied
        (d, (d.t() + d) * 0.5), // read at another index than written: copied
        (e, next),              // copied
        (f, f * 0.5 + c),       // in place
    ];
    let program = Program::new(&[("next", next), ("old c", c), ("row", d.sum(&[1]))], &states);
    let plan = Plan::new(&program, &Limits::default()).unwrap();
    assert_eq!(plan.copies(), 3, "{plan}");
    agree(&program, &inputs(&program), 4, SUMS);
}

#[test]
fn five_steps_of_training() {
    let small = Config::binary(3, 12, 4);
    for k in [1, 3] {
        let program = vae::trainer(&small, &stage(6, k), ADAM);
        let mut values = inputs(&program);
        for (name, values) in &mut values {
            match name.as_str() {
                "rates" => values.copy_from_slice(&[1e-3, 1.0, 0.0, 0.0]),
                "x" => values.iter_mut().for_each(|v| *v = f32::from(*v > 0.0)),
                // Second moments are no smaller than 0.
                _ => values.iter_mut().for_each(|v| *v = if name.starts_with("v.") { v.abs() } else { *v * 0.1 }),
            }
        }
        agree(&program, &values, 5, SUMS);
    }
}

#[test]
fn mistakes_are_named() {
    let g = Graph::new();
    let program = program(g.input("x", &[3]) + 1.0);
    let gpu = gpu();
    let mut loaded = block_on(gpu.load(&program)).unwrap();
    let said = |e: Option<Error>| e.map(|e| e.to_string()).unwrap_or_default();
    assert_eq!(said(loaded.step().err()), "'x' has no value yet");
    assert_eq!(said(block_on(loaded.read("y")).err()), "'y' has no value yet");
    assert_eq!(said(loaded.write("x", &[1.0]).err()), "'x' takes 3 values and got 1");
    assert_eq!(said(loaded.write("z", &[]).err()), "the program has no value named 'z'");
    assert_eq!(said(block_on(loaded.read("z")).err()), "the program has no value named 'z'");
    loaded.write("x", &[1.0, 2.0, 3.0]).unwrap();
    loaded.step().unwrap();
    assert_eq!(block_on(loaded.read_all(&["y", "x"])).unwrap(), [[2.0, 3.0, 4.0], [1.0, 2.0, 3.0]]);
}

#[test]
fn progress_counts_every_shader() {
    let g = Graph::new();
    let x = g.input("x", &[13, 17]);
    let outputs = [("a", x.dot(x.t()).tanh() * 0.37), ("b", x.sum(&[0]))];
    let gpu = gpu();
    let mut seen = Vec::new();
    let loaded = block_on(gpu.load_with(&Program::new(&outputs, &[]), &mut |done, all| seen.push((done, all))));
    assert_eq!(loaded.unwrap().plan().dispatches(), 2);
    assert_eq!(seen, [(1, 2), (2, 2)]);
}

/// Axes of size 1 everywhere.
#[test]
fn single_elements() {
    let g = Graph::new();
    let (x, m) = (g.input("x", &[1]), g.input("m", &[1, 1]));
    let (image, kernel) = (g.input("image", &[1, 1, 1, 1]), g.input("kernel", &[1, 1, 3, 3]));
    let outputs = [
        ("pointwise", x.exp() + x),
        ("dot", m.dot(m) + x),
        ("conv", image.conv(kernel, Window::new(1, 1)).tanh()),
        ("spread", image.conv(kernel, Window { lhs_dilation: [2; 2], ..Window::new(1, 1) })),
        ("sum", x.sum(&[0])),
        ("moved", m.t().expand(&[1, 1]).pad(&[0, 1], &[2, 3]).flip(&[0, 1])),
        ("entry", m.gather(1, x * 0.0).scatter_add(0, x * 0.0, 2)),
    ];
    same(&Program::new(&outputs, &[]), POINTWISE);
}

/// A reduction takes a kernel into its own that stores a value of another shape as well.
#[test]
fn a_sum_after_results_of_two_shapes() {
    let g = Graph::new();
    let (x, y) = (g.input("x", &[2, 2, 3, 4]), g.input("y", &[2, 2, 3, 4]));
    let b = x.reshape(&[48]) * 0.5 + 0.1;
    same(&Program::new(&[("a", y.permute(&[1, 2, 3, 0])), ("b", b), ("last", b.mean(&[0]))], &[]), SUMS);
}

/// Products that a real GPU cuts into blocks with shared operands, around the sizes of such blocks; the software
/// adapter that runs this test would not choose them.
#[test]
fn products_with_shared_operands() {
    let limits = Limits { busy_threads: 256, ..*gpu().limits() };
    let shared = |program: &Program| {
        let plan = Plan::new(program, &limits).unwrap();
        assert!(plan.to_string().contains("shared"), "{plan}");
        agree_within(&limits, program, &inputs(program), 1, SUMS);
    };
    for (b, m, n, k) in [(1, 256, 255, 33), (4, 64, 63, 47), (8, 54, 64, 32), (1, 257, 128, 40)] {
        let g = Graph::new();
        let (x, y, bias) = (g.input("x", &[b, m, k]), g.input("y", &[b, k, n]), g.input("bias", &[n]));
        let outputs = [("plain", x.dot(y)), ("transposed", (y.t().dot(x.t()).t() + bias).tanh())];
        outputs.iter().for_each(|o| shared(&program(o.1)));
    }
    let windows = [
        Window::new(1, 1),
        Window::new(2, 1),
        Window { lhs_dilation: [2, 2], ..Window::new(1, 2) },
        Window { dilation: [2, 1], pad: [(-1, 2), (1, 0)], ..Window::new(1, 1) },
    ];
    for w in windows {
        let g = Graph::new();
        let x = g.input("x", &[4, 19, 17, 18]);
        let y = x.conv(g.input("w", &[64, 19, 3, 3]), w) + g.input("bias", &[64, 1, 1]);
        shared(&program(y.maximum(g.scalar(0.0))));
    }
}

/// Attention around the sizes of its workgroups: 16 queries, 64 keys at a time, 64 columns a pass.
#[test]
fn attention_in_one_kernel() {
    for (t, s, d, n) in [(8, 3, 4, 1), (15, 63, 5, 63), (16, 64, 16, 64), (17, 65, 33, 65), (40, 130, 8, 20)] {
        let g = Graph::new();
        let (q, k, v) = (g.input("q", &[2, 3, t, d]), g.input("k", &[2, 3, s, d]), g.input("v", &[2, s, 3, n]));
        let scores = (q * 2.0).dot(k.t());
        let seen = g.iota(1, &[t, s]).le(g.iota(0, &[t, s]) + (s / 2) as f32);
        let v = v.permute(&[0, 2, 1, 3]);
        for scores in [scores, seen.select(scores, g.scalar(-1e30)) * 0.5] {
            let e = (scores - scores.max(&[3])).exp();
            let y = (e / e.sum(&[3])).dot(v);
            let program = program(y.permute(&[0, 2, 1, 3]).reshape(&[2, t, 3 * n]).tanh());
            let plan = Plan::new(&program, &Limits::default()).unwrap();
            assert_eq!(plan.dispatches(), 1, "{plan}");
            same(&program, SUMS);
        }
    }
}
