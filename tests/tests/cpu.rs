//! The CPU engine's own kernels: each tile on odd sizes against the f64 reference, and results that are the same bits
//! whatever else is in the batch.

use conformance::close::{Tolerance, assert_close, narrow, widen};
use conformance::reference::{Reference, evaluate};
use conformance::run::normal;
use engine::Cpu;
use engine::cpu::Tile;
use graph::{Graph, Program, Run, Tensor, Window};
use pollster::block_on;

const TILES: [Tile; 4] = [Tile::Narrow, Tile::Wide, Tile::Widest, Tile::Candle];
/// Sums of some hundred terms of size 1.
const SUM: Tolerance = Tolerance::new(1e-4, 1e-4);

/// All outputs of a step with this tile.
fn run(tile: Tile, program: &Program, inputs: &[(&str, &[f64])]) -> Vec<Vec<f64>> {
    let mut loaded = Cpu.load_with(program, tile);
    inputs.iter().for_each(|(name, values)| loaded.write(name, &narrow(values)).unwrap());
    loaded.step().unwrap();
    program.outputs.iter().map(|(name, _)| widen(&block_on(loaded.read(name)).unwrap())).collect()
}

/// All tiles and the reference on two random arguments.
#[track_caller]
fn check(what: &str, shapes: [&[usize]; 2], build: impl for<'g> Fn(Tensor<'g>, Tensor<'g>) -> Tensor<'g>) {
    let g = Graph::new();
    let program = Program::new(&[("y", build(g.input("a", shapes[0]), g.input("b", shapes[1])))], &[]);
    let [a, b] = [1, 2].map(|seed: u64| normal(seed, shapes[seed as usize - 1].iter().product()));
    let inputs: [(&str, &[f64]); 2] = [("a", &a), ("b", &b)];
    let expected = evaluate(&program, &inputs);
    for tile in TILES {
        assert_close(&format!("{what}, {tile:?}"), &run(tile, &program, &inputs)[0], &expected[0], SUM);
    }
    let [wide, widest] = [Tile::Wide, Tile::Widest].map(|tile| run(tile, &program, &inputs));
    assert!(wide == widest, "{what}: other bits with wider vectors");
}

/// One less, as many and one more than rows, columns and depth of a tile, and of the blocks of tiles.
#[test]
fn products_at_the_edges_of_tiles() {
    let sizes = [
        [3, 63, 7],
        [4, 64, 8],
        [5, 65, 9],
        [6, 1, 15],
        [7, 127, 16],
        [11, 128, 17],
        [95, 2, 33],
        [97, 130, 31],
        [2, 3, 511],
        [13, 5, 513],
    ];
    for [m, k, n] in sizes {
        let what = format!("{m} x {k} x {n}");
        check(&what, [&[m, k], &[k, n]], |a, b| a.dot(b));
        check(&format!("{what}, turned"), [&[k, m], &[n, k]], |a, b| a.t().dot(b.t()));
        check(&format!("{what}, batched"), [&[2, m, k], &[2, k, n]], |a, b| a.dot(b));
    }
}

/// One row: the weights are read as they were packed, four panels of columns at once.
#[test]
fn a_vector_times_a_matrix() {
    for n in [1, 7, 8, 31, 32, 33, 63, 64, 65, 200] {
        check(&format!("1 x 150 x {n}"), [&[1, 150], &[n, 150]], |a, b| a.dot(b.t()));
    }
}

#[test]
fn convolutions_at_the_edges_of_tiles() {
    for (b, c, o, n) in [(1, 3, 5, 7), (2, 7, 4, 8), (3, 15, 6, 9), (1, 1, 13, 17), (5, 2, 3, 4)] {
        for (kernel, window) in [
            (3, Window::new(1, 1)),
            (1, Window::new(1, 0)),
            (4, Window::new(2, 1)),
            (4, Window { lhs_dilation: [2, 2], ..Window::new(1, 2) }),
            (2, Window { lhs_dilation: [3, 3], ..Window::new(1, 1) }),
            (3, Window { lhs_dilation: [2, 3], dilation: [2, 1], ..Window::new(3, 3) }),
        ] {
            let what = format!("{b} {c} {o} {n}, {kernel}, {window:?}");
            check(&what, [&[b, c, n, n], &[o, c, kernel, kernel]], |x, w| x.conv(w, window));
        }
    }
}

/// What is kept of a weight is made again when the weight is written.
#[test]
fn packed_weights_follow_their_input() {
    let g = Graph::new();
    let (x, w, k) = (g.input("x", &[1, 2, 5, 5]), g.input("w", &[40, 50]), g.input("k", &[3, 2, 3, 3]));
    let outputs = [("dot", x.reshape(&[1, 50]).dot(w.t())), ("conv", x.conv(k, Window::new(1, 1)))];
    let program = Program::new(&outputs, &[]);
    for tile in TILES {
        let mut loaded = Cpu.load_with(&program, tile);
        for seed in [1, 2, 3] {
            let (x, w, k) = (normal(seed, 50), normal(seed + 10, 2000), normal(seed + 20, 54));
            let inputs: [(&str, &[f64]); 3] = [("x", &x), ("w", &w), ("k", &k)];
            inputs.iter().for_each(|(name, values)| loaded.write(name, &narrow(values)).unwrap());
            loaded.step().unwrap();
            let expected = evaluate(&program, &inputs);
            for (i, name) in ["dot", "conv"].iter().enumerate() {
                assert_close(name, &widen(&block_on(loaded.read(name)).unwrap()), &expected[i], SUM);
            }
        }
    }
}

/// A network of all that sums: products, convolutions of both directions, norms, attention.
fn network<'g>(x: Tensor<'g>) -> Tensor<'g> {
    let (g, b) = (x.graph(), x.dim(0));
    let h = x.conv(g.input("k", &[6, 3, 3, 3]), Window::new(1, 1)).silu(); // (B, 6, 9, 9)
    let h = h - h.mean(&[1, 2, 3]);
    let h = h / (h.square().mean(&[2, 3]) + 0.1).sqrt();
    let up = Window { lhs_dilation: [2, 2], ..Window::new(1, 2) };
    let h = h.conv(g.input("t", &[4, 6, 4, 4]), up); // (B, 4, 18, 18)
    let q = h.reshape(&[b, 36, 36]);
    let scores = q.dot(q.t()) * 0.1;
    let e = (scores - scores.max(&[2])).exp();
    let h = (e / e.sum(&[2])).dot(q).tanh();
    h.reshape(&[b, 36 * 36]).dot(g.input("w", &[70, 36 * 36]).t())
}

/// A sample alone and in a batch: several workers share a batch, and nobody may see how. candle's products, which no browser
/// runs, promise no such thing.
#[test]
fn a_sample_does_not_depend_on_its_batch() {
    let program = |b: usize| {
        let g = Graph::new();
        Program::new(&[("y", network(g.input("x", &[b, 3, 9, 9])))], &[])
    };
    let one = 3 * 9 * 9;
    let x = normal(1, 7 * one);
    let (k, t, w) = (normal(2, 6 * 27), normal(3, 4 * 6 * 16), normal(4, 70 * 36 * 36));
    for tile in [Tile::Narrow, Tile::Wide, Tile::Widest] {
        let answers = |x: &[f64]| -> Vec<f64> {
            let inputs: [(&str, &[f64]); 4] = [("x", x), ("k", &k), ("t", &t), ("w", &w)];
            run(tile, &program(x.len() / one), &inputs).swap_remove(0)
        };
        let all = answers(&x);
        assert!(all.iter().all(|v| v.is_finite()));
        for split in [1, 3] {
            let parts: Vec<f64> = x.chunks(split * one).flat_map(answers).collect();
            assert!(parts == all, "{tile:?}: other bits in batches of {split}");
        }
    }
}

/// Entries of a cache are replaced in place, also where there is no such entry or where others hold the old values.
#[test]
fn a_cache_grows_by_one_entry() {
    for shown in [false, true] {
        let g = Graph::new();
        let (cache, new, at) = (g.input("cache", &[2, 5, 3]), g.input("new", &[2, 1, 3]), g.input("at", &[1]));
        let next = g.iota(1, &[1, 5, 1]).eq(at).select(new * 2.0, cache);
        let mut outputs = vec![("sum", next.sum(&[1]))];
        outputs.extend(shown.then_some(("before", cache)));
        let program = Program::new(&outputs, &[(cache, next)]);
        let mut loaded = Cpu.load(&program);
        let mut reference = Reference::new(&program);
        let start = normal(1, 30);
        loaded.write("cache", &narrow(&start)).unwrap();
        reference.write("cache", &start);
        for (seed, position) in [0.0, 4.0, 2.0, -1.0, 5.0, 1.5].into_iter().enumerate() {
            let new = normal(seed as u64 + 2, 6);
            for (name, values) in [("new", new.as_slice()), ("at", &[position])] {
                loaded.write(name, &narrow(values)).unwrap();
                reference.write(name, values);
            }
            loaded.step().unwrap();
            reference.step();
            for name in ["sum", "cache"].into_iter().chain(shown.then_some("before")) {
                let got = widen(&block_on(loaded.read(name)).unwrap());
                assert_close(&format!("{name} at {position}"), &got, reference.read(name), SUM);
            }
        }
    }
}

/// Nothing in, nothing or the neutral element out.
#[test]
fn axes_without_elements() {
    check("sums of nothing", [&[3, 0], &[2]], |a, b| a.sum(&[1]) + b.sum(&[0]));
    check("products over nothing", [&[3, 0], &[0, 2]], |a, b| a.dot(b));
    check("no rows", [&[0, 4], &[4, 2]], |a, b| a.dot(b).exp());
    check("no images", [&[0, 2, 5, 5], &[3, 2, 3, 3]], |x, w| x.conv(w, Window::new(1, 1)));
    check("no channels", [&[2, 0, 5, 5], &[3, 0, 3, 3]], |x, w| x.conv(w, Window::new(1, 1)));
    check("no entries", [&[4, 0], &[2]], |a, b| a.gather(0, b).pad(&[0, 1], &[2, 2]));
}

/// More elements than 32 bits can count: an error that names the node, no wrong number.
#[test]
fn values_that_are_too_large_are_refused() {
    let g = Graph::new();
    let x = g.input("x", &[1, 1]);
    let program = Program::new(&[("small", x + 1.0), ("large", x.expand(&[1 << 20, 1 << 20]).exp())], &[]);
    let mut loaded = Cpu.load(&program);
    loaded.write("x", &[1.0]).unwrap();
    let error = loaded.step().unwrap_err().to_string();
    assert!(error.contains("expand [1048576, 1048576]"), "{error}");
    assert!(block_on(loaded.read("small")).is_err(), "an output of a step that failed");
}
