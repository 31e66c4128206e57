//! Chains of functions of single values, run block by block: what lies between the first and the last of a chain stays in
//! the first cache.

use super::layout::{Layout, Walk};
use super::math::{larger, smaller, unary};
use super::memory::Memory;
use super::simd::{Loops, vectorize};
use graph::{Binary, Compare, NodeId, Op};
use rayon::prelude::*;

/// Elements of a block.
pub(super) const BLOCK: usize = 512;
/// Elements that are worth another thread.
const SHARE: usize = 32 * BLOCK;

/// A chain: `steps` in order, of which the last makes the result.
#[derive(Debug, Default)]
pub(super) struct Chain {
    leaves: Vec<Leaf>,
    steps: Vec<Step>,
    registers: usize,
    result: Option<Arg>,
}

/// A stored value that a chain reads.
#[derive(Debug)]
struct Leaf {
    root: NodeId,
    read: Read,
}

#[derive(Debug)]
enum Read {
    /// In the order of memory, from there on.
    Dense(usize),
    /// The same element for all.
    Once(usize),
    Walk(Walk),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Arg {
    Register(usize),
    Leaf(usize),
    Number(f32),
}

#[derive(Debug)]
enum Step {
    /// Fills a register with elements of a leaf that do not lie in order.
    Load { leaf: usize, to: usize },
    /// Up to three arguments.
    Apply { op: Op, args: [Arg; 3], to: usize },
}

/// A block of an argument.
#[derive(Clone, Copy)]
enum Source<'a> {
    Slice(&'a [f32]),
    Value(f32),
}

/// What one thread needs to run a chain.
#[derive(Default)]
pub(super) struct Scratch {
    registers: Vec<Vec<f32>>,
    index: Vec<usize>,
}

impl Chain {
    /// Reads a stored value; the same one only once.
    pub(super) fn leaf(&mut self, root: NodeId, layout: &Layout) -> Arg {
        let read = match layout.merged()[..] {
            [] => Read::Once(layout.offset as usize),
            [(_, 0)] => Read::Once(layout.offset as usize),
            [(_, 1)] => Read::Dense(layout.offset as usize),
            _ => Read::Walk(Walk::new(layout)),
        };
        let walks = matches!(read, Read::Walk(_));
        self.leaves.push(Leaf { root, read });
        let leaf = self.leaves.len() - 1;
        if !walks {
            return Arg::Leaf(leaf);
        }
        self.registers += 1;
        self.steps.push(Step::Load { leaf, to: self.registers - 1 });
        Arg::Register(self.registers - 1)
    }

    /// Applies an operation; missing arguments are not read.
    pub(super) fn apply(&mut self, op: &Op, args: &[Arg]) -> Arg {
        let at = |i: usize| args.get(i).copied().unwrap_or(Arg::Number(0.0));
        self.registers += 1;
        self.steps.push(Step::Apply { op: op.clone(), args: [at(0), at(1), at(2)], to: self.registers - 1 });
        Arg::Register(self.registers - 1)
    }

    /// Ends the chain: registers are shared by values that are never needed at once.
    pub(super) fn finish(mut self, result: Arg) -> Chain {
        let mut last = vec![0; self.registers];
        for (i, step) in self.steps.iter().enumerate() {
            step.reads().for_each(|r| last[r] = i);
        }
        let mut free: Vec<usize> = Vec::new();
        let mut names = vec![0; self.registers];
        let mut used = 0;
        for (i, step) in self.steps.iter_mut().enumerate() {
            let fresh = free.pop().unwrap_or_else(|| {
                used += 1;
                used - 1
            });
            let (Step::Load { to, .. } | Step::Apply { to, .. }) = step;
            names[*to] = fresh;
            *to = fresh;
            let Step::Apply { args, .. } = step else { continue };
            let mut ended: Vec<usize> = Vec::new();
            for arg in args {
                if let Arg::Register(r) = arg {
                    if last[*r] == i && !ended.contains(&names[*r]) {
                        ended.push(names[*r]);
                    }
                    *r = names[*r];
                }
            }
            free.extend(ended);
        }
        self.result = Some(match result {
            Arg::Register(r) => Arg::Register(names[r]),
            other => other,
        });
        self.registers = used;
        self
    }

    /// The stored values that are read.
    pub(super) fn roots(&self) -> impl Iterator<Item = NodeId> {
        self.leaves.iter().map(|leaf| leaf.root)
    }

    /// Elements as they lie in memory, if nothing is done to them.
    pub(super) fn slice<'a>(&self, at: usize, n: usize, memory: &'a Memory) -> Option<&'a [f32]> {
        match (self.steps.is_empty(), &self.leaves[..]) {
            (true, [Leaf { root, read: Read::Dense(offset) }]) => Some(&memory.get(*root)[offset + at..][..n]),
            _ => None,
        }
    }

    /// All elements.
    pub(super) fn run(&self, memory: &Memory, out: &mut [f32]) {
        if out.len() < 2 * SHARE || rayon::current_num_threads() == 1 {
            return vectorize(Blocks { chain: self, start: 0, memory, scratch: &mut Scratch::default(), out });
        }
        out.par_chunks_mut(SHARE).enumerate().for_each_init(Scratch::default, |scratch, (i, out)| {
            vectorize(Blocks { chain: self, start: i * SHARE, memory, scratch, out });
        });
    }

    /// Elements `at ..`, at most [`BLOCK`] of them.
    // Elsewhere there is one kind of vector only, and all functions twice would be a twentieth of the page's WebAssembly.
    #[cfg_attr(target_arch = "x86_64", inline(always))]
    pub(super) fn block(&self, at: usize, memory: &Memory, scratch: &mut Scratch, out: &mut [f32]) {
        if scratch.registers.len() < self.registers {
            scratch.registers.resize_with(self.registers, || vec![0.0; BLOCK]);
        }
        let Scratch { registers, index } = scratch;
        let n = out.len();
        if self.steps.is_empty() {
            return fill(self.source(self.result.unwrap_or(Arg::Number(0.0)), at, n, memory, registers), out);
        }
        for (i, step) in self.steps.iter().enumerate() {
            let (Step::Load { to, .. } | Step::Apply { to, .. }) = step;
            let mut room = std::mem::take(&mut registers[*to]);
            let to_room = if i + 1 < self.steps.len() { &mut room[..n] } else { &mut *out };
            self.step(step, at, memory, registers, index, to_room);
            registers[*to] = room;
        }
    }

    #[inline(always)]
    fn step(
        &self,
        step: &Step,
        at: usize,
        memory: &Memory,
        registers: &[Vec<f32>],
        index: &mut Vec<usize>,
        out: &mut [f32],
    ) {
        match step {
            Step::Load { leaf, .. } => {
                let leaf = &self.leaves[*leaf];
                if let Read::Walk(walk) = &leaf.read {
                    walk.read(memory.get(leaf.root), at, out, index);
                }
            }
            Step::Apply { op, args, .. } => {
                let a = self.source(args[0], at, out.len(), memory, registers);
                let b = self.source(args[1], at, out.len(), memory, registers);
                let c = self.source(args[2], at, out.len(), memory, registers);
                apply(op, [a, b, c], out);
            }
        }
    }

    #[inline(always)]
    fn source<'a>(&self, arg: Arg, at: usize, n: usize, memory: &'a Memory, registers: &'a [Vec<f32>]) -> Source<'a> {
        match arg {
            Arg::Number(value) => Source::Value(value),
            Arg::Register(r) => Source::Slice(&registers[r][..n]),
            Arg::Leaf(leaf) => match &self.leaves[leaf] {
                Leaf { root, read: Read::Once(offset) } => Source::Value(memory.get(*root)[*offset]),
                Leaf { root, read: Read::Dense(offset) } => Source::Slice(&memory.get(*root)[offset + at..][..n]),
                // Loaded into a register before.
                Leaf { read: Read::Walk(_), .. } => Source::Value(f32::NAN),
            },
        }
    }
}

/// Elements `start ..` of a chain.
struct Blocks<'a> {
    chain: &'a Chain,
    start: usize,
    memory: &'a Memory,
    scratch: &'a mut Scratch,
    out: &'a mut [f32],
}

impl Loops for Blocks<'_> {
    #[inline(always)]
    fn run(self) {
        for (i, out) in self.out.chunks_mut(BLOCK).enumerate() {
            self.chain.block(self.start + i * BLOCK, self.memory, self.scratch, out);
        }
    }
}

impl Step {
    fn reads(&self) -> impl Iterator<Item = usize> {
        let args: &[Arg] = match self {
            Step::Load { .. } => &[],
            Step::Apply { args, .. } => args,
        };
        args.iter().filter_map(|arg| match arg {
            Arg::Register(r) => Some(*r),
            _ => None,
        })
    }
}

#[inline(always)]
fn fill(source: Source<'_>, out: &mut [f32]) {
    match source {
        Source::Slice(values) => out.copy_from_slice(values),
        Source::Value(value) => out.fill(value),
    }
}

#[inline(always)]
fn apply(op: &Op, [a, b, c]: [Source<'_>; 3], out: &mut [f32]) {
    let truth = |holds: bool| f32::from(u8::from(holds));
    match op {
        Op::Unary(f) => match a {
            Source::Slice(x) => unary(*f, x, out),
            Source::Value(x) => {
                unary(*f, &[x], &mut out[..1]);
                out.fill(out[0]);
            }
        },
        Op::Binary(Binary::Add) => zip(a, b, out, |a, b| a + b),
        Op::Binary(Binary::Sub) => zip(a, b, out, |a, b| a - b),
        Op::Binary(Binary::Mul) => zip(a, b, out, |a, b| a * b),
        Op::Binary(Binary::Div) => zip(a, b, out, |a, b| a / b),
        Op::Binary(Binary::Max) => zip(a, b, out, larger),
        Op::Binary(Binary::Min) => zip(a, b, out, smaller),
        Op::Compare(Compare::Lt) => zip(a, b, out, |a, b| truth(a < b)),
        Op::Compare(Compare::Le) => zip(a, b, out, |a, b| truth(a <= b)),
        Op::Compare(Compare::Eq) => zip(a, b, out, |a, b| truth(a == b)),
        _ => select(a, b, c, out),
    }
}

#[inline(always)]
fn zip(a: Source<'_>, b: Source<'_>, out: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    match (a, b) {
        (Source::Slice(a), Source::Slice(b)) => {
            out.iter_mut().zip(a).zip(b).for_each(|((out, a), b)| *out = f(*a, *b));
        }
        (Source::Slice(a), Source::Value(b)) => out.iter_mut().zip(a).for_each(|(out, a)| *out = f(*a, b)),
        (Source::Value(a), Source::Slice(b)) => out.iter_mut().zip(b).for_each(|(out, b)| *out = f(a, *b)),
        (Source::Value(a), Source::Value(b)) => out.fill(f(a, b)),
    }
}

/// `yes` where `a` is not 0, else `no`.
#[inline(always)]
fn select(a: Source<'_>, yes: Source<'_>, no: Source<'_>, out: &mut [f32]) {
    fill(no, out);
    match (a, yes) {
        (Source::Value(0.0), _) => {}
        (Source::Value(_), yes) => fill(yes, out),
        (Source::Slice(a), Source::Slice(yes)) => {
            out.iter_mut().zip(a).zip(yes).for_each(|((out, a), yes)| *out = if *a != 0.0 { *yes } else { *out });
        }
        (Source::Slice(a), Source::Value(yes)) => {
            out.iter_mut().zip(a).for_each(|(out, a)| *out = if *a != 0.0 { yes } else { *out });
        }
    }
}
