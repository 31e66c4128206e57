//! Random graphs with random outputs and states: whatever the planner fuses, merges, reuses or replaces in place, the
//! values are those of the CPU engine, which does none of that.

use conformance::close::Tolerance;
use conformance::compare::{agree_within, inputs};
use engine::gpu::Limits;
use graph::{Graph, Program, Tensor, Window};
use proptest::prelude::*;

/// Chains of some ten operations on values of size 1, sums among them.
const CHAIN: Tolerance = Tolerance::new(3e-5, 3e-4);

/// A sequence of choices; zeros after its end.
struct Choices<'a>(std::slice::Iter<'a, u16>);

impl Choices<'_> {
    fn below(&mut self, n: usize) -> usize {
        *self.0.next().unwrap_or(&0) as usize % n
    }

    fn one<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// One more tensor, made of those in the list.
fn grown<'g>(c: &mut Choices<'_>, list: &[Tensor<'g>]) -> Tensor<'g> {
    let a = c.one(list);
    let shape = a.shape();
    let same: Vec<Tensor<'_>> = list.iter().copied().filter(|t| t.shape() == shape).collect();
    let b = c.one(&same);
    match c.below(12) {
        0 => a + b,
        1 => a * b,
        2 => (a - b).tanh(),
        3 => a.sigmoid().maximum(b),
        4 => a.lt(b).select(b, a) * 0.5,
        5 if shape.len() > 1 => moved(c, a),
        6 if shape.len() > 1 => moved(c, a + b),
        7 if !shape.is_empty() => {
            let axis = c.below(shape.len());
            let s = if c.below(2) == 0 { a.mean(&[axis]) } else { a.max(&[axis]) };
            if c.below(2) == 0 { s } else { a - s }
        }
        8 if shape.len() == 2 => (a.dot(b.t()) * 0.3).tanh(),
        9 if shape.len() == 2 => a.t().dot(b) * (1.0 / shape[0] as f32),
        10 if shape.len() == 4 && shape[2] > 1 && shape[3] > 1 => {
            let kernel = b.slice(&[0; 4], &[1, shape[1], 2, 2]).expand(&[2, shape[1], 2, 2]);
            (a.conv(kernel, Window::new(c.below(2) + 1, c.below(2))) * 0.2).sin()
        }
        _ => a.reshape(&[shape.iter().product()]) * 0.5 + 0.1,
    }
}

fn moved<'g>(c: &mut Choices<'_>, a: Tensor<'g>) -> Tensor<'g> {
    let shape = a.shape();
    let axis = c.below(shape.len());
    match c.below(5) {
        0 => {
            let mut perm: Vec<usize> = (0..shape.len()).collect();
            perm.rotate_left(axis);
            a.permute(&perm)
        }
        1 => a.flip(&[axis]),
        2 => a.narrow(axis, 0, 1).expand(&shape),
        3 => {
            let (mut start, mut wide) = (vec![0; shape.len()], shape.clone());
            start[axis] = c.below(2);
            wide[axis] += 2;
            a.pad(&start, &wide)
        }
        _ => a.narrow(axis, shape[axis] / 2, shape[axis].div_ceil(2)),
    }
}

fn random_program(choices: &[u16]) -> Program {
    let mut c = Choices(choices.iter());
    let g = Graph::new();
    let mut list = vec![
        g.input("matrix", &[5, 5]),
        g.input("image", &[2, 2, 3, 4]),
        g.input("row", &[1, 5]),
        g.input("other matrix", &[5, 5]),
        g.input("other image", &[2, 2, 3, 4]),
    ];
    let states = list.clone();
    for _ in 0..c.below(24) + 4 {
        let next = grown(&mut c, &list);
        list.push(next);
    }
    let names = ["a", "b", "c"];
    let outputs: Vec<_> =
        names.iter().map(|&name| (name, c.one(&list))).chain([("last", list[list.len() - 1])]).collect();
    let mut pairs = Vec::new();
    for state in states {
        let same: Vec<Tensor<'_>> = list.iter().copied().filter(|t| t.shape() == state.shape()).collect();
        if c.below(3) > 0 {
            pairs.push((state, c.one(&same)));
        }
    }
    Program::new(&outputs, &pairs)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_graphs_agree(choices in proptest::collection::vec(any::<u16>(), 40..160)) {
        let program = random_program(&choices);
        // As few buffers a shader as any plan can live with, and as many as every browser has.
        for (storage_buffers, busy_threads) in [(4, 0), (8, 4096)] {
            let limits = Limits { storage_buffers, busy_threads, ..Limits::default() };
            agree_within(&limits, &program, &inputs(&program), 3, CHAIN);
        }
    }
}
