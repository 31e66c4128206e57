//! Reverse-mode differentiation as a rewrite of the graph into the same graph: one rule an operation.

use crate::op::{Binary, Node, Op, Reduce, Unary, Window};
use crate::tensor::{Graph, Tensor};
use std::collections::HashMap;

/// Gradients of a scalar `y` with respect to each of `wrt`, appended to the graph of `y`.
///
/// A tensor that `y` does not depend on gets zeros. The result can be differentiated again.
#[track_caller]
pub fn grad<'g>(y: Tensor<'g>, wrt: &[Tensor<'g>]) -> Vec<Tensor<'g>> {
    assert!(y.node().len() == 1, "grad: a scalar is wanted, not {:?}; use vjp", y.shape());
    vjp(y, y.graph().full(1.0, &y.shape()), wrt)
}

/// Vector-Jacobian product: the gradient of sum(y * v) with respect to each of `wrt`, with `v` held constant.
#[track_caller]
pub fn vjp<'g>(y: Tensor<'g>, v: Tensor<'g>, wrt: &[Tensor<'g>]) -> Vec<Tensor<'g>> {
    assert!(y.shape() == v.shape(), "vjp: y is {:?} and v is {:?}", y.shape(), v.shape());
    let g = y.graph();
    let needed = depends_on(g, y, wrt);
    let mut bars: HashMap<u32, Tensor<'g>> = HashMap::from([(y.id.0, v)]);
    // Inputs have smaller ids than their readers, so one walk downwards meets every node after all of its readers.
    for id in (0..=y.id.0).rev() {
        if !needed[id as usize] || wrt.iter().all(|w| w.id.0 > id) {
            continue;
        }
        let Some(&bar) = bars.get(&id) else { continue };
        let out = g.tensor(crate::NodeId(id));
        let node = out.node();
        for (slot, &input) in node.inputs.iter().enumerate() {
            if needed[input.index()]
                && let Some(part) = rule(&node, slot, out, bar)
            {
                bars.entry(input.0).and_modify(|sum| *sum = *sum + part).or_insert(part);
            }
        }
    }
    wrt.iter().map(|w| bars.get(&w.id.0).copied().unwrap_or_else(|| g.full(0.0, &w.shape()))).collect()
}

/// For each node up to `y`: does it depend on one of `wrt`?
fn depends_on(g: &Graph, y: Tensor<'_>, wrt: &[Tensor<'_>]) -> Vec<bool> {
    let mut depends = vec![false; y.id.index() + 1];
    for id in 0..depends.len() {
        let node = g.node(crate::NodeId(id as u32));
        depends[id] = wrt.iter().any(|w| w.id.index() == id) || node.inputs.iter().any(|i| depends[i.index()]);
    }
    depends
}

/// What input `slot` of `node` receives when its result `out` receives `bar`; None where the derivative is 0.
fn rule<'g>(node: &Node, slot: usize, out: Tensor<'g>, bar: Tensor<'g>) -> Option<Tensor<'g>> {
    let g = out.graph();
    let input = |i: usize| g.tensor(node.inputs[i]);
    let x = input(slot);
    let shape = x.shape();
    Some(match &node.op {
        Op::Input(_) | Op::Const(_) | Op::Iota(_) | Op::Compare(_) => return None,
        Op::Unary(f) => match f {
            Unary::Neg => -bar,
            Unary::Exp => bar * out,
            Unary::Ln => bar / x,
            Unary::Sqrt => bar * 0.5 / out,
            Unary::Sin => bar * x.cos(),
            Unary::Cos => -(bar * x.sin()),
            Unary::Tanh => bar * (1.0 - out * out),
            Unary::Abs => bar * (g.scalar(0.0).lt(x) - x.lt(g.scalar(0.0))),
            Unary::Sigmoid => bar * out * (1.0 - out),
            Unary::Softplus => bar * x.sigmoid(),
        },
        Op::Binary(f) => match (f, slot) {
            (Binary::Add, _) | (Binary::Sub, 0) => bar,
            (Binary::Sub, _) => -bar,
            (Binary::Mul, _) => bar * input(1 - slot),
            (Binary::Div, 0) => bar / input(1),
            (Binary::Div, _) => -(bar * out / x),
            // At a tie the second input takes it all: the derivative of relu at 0 is 0.
            (Binary::Max, 0) => x.le(input(1)).select(g.scalar(0.0).broadcast_to(&shape), bar),
            (Binary::Max, _) => input(0).le(x).select(bar, g.scalar(0.0).broadcast_to(&shape)),
            (Binary::Min, 0) => x.lt(input(1)).select(bar, g.scalar(0.0).broadcast_to(&shape)),
            (Binary::Min, _) => input(0).lt(x).select(g.scalar(0.0).broadcast_to(&shape), bar),
        },
        Op::Select => match slot {
            0 => return None,
            1 => input(0).select(bar, g.full(0.0, &shape)),
            _ => input(0).select(g.full(0.0, &shape), bar),
        },
        Op::Reduce(Reduce::Sum, _) => bar.expand(&shape),
        Op::Reduce(Reduce::Max, axes) => {
            let hit = x.eq(out.expand(&shape));
            hit * (bar / hit.sum(axes)).expand(&shape)
        }
        Op::Dot if slot == 0 => bar.dot(input(1).t()),
        Op::Dot => input(0).t().dot(bar),
        Op::Conv(w) if slot == 0 => conv_input_grad(w, &shape, input(1), bar),
        Op::Conv(w) => conv_kernel_grad(w, &shape, input(0), bar),
        Op::Reshape => bar.reshape(&shape),
        Op::Permute(perm) => {
            let mut inverse = vec![0; perm.len()];
            perm.iter().enumerate().for_each(|(i, &p)| inverse[p] = i);
            bar.permute(&inverse)
        }
        Op::Expand => {
            let axes: Vec<usize> = (0..shape.len()).filter(|&i| shape[i] != node.shape[i]).collect();
            bar.sum(&axes)
        }
        Op::Slice(start) => bar.pad(start, &shape),
        Op::Pad(start) => bar.slice(start, &shape),
        Op::Flip(axes) => bar.flip(axes),
        Op::Gather(_) | Op::ScatterAdd(_) if slot == 1 => return None,
        Op::Gather(axis) => bar.scatter_add(*axis, input(1), shape[*axis]),
        Op::ScatterAdd(axis) => bar.gather(*axis, input(1)),
    })
}

/// x_bar[l] = sum over (o, k) with l ld = o s + k d - lo of y_bar[o] w[k]: a convolution of the spread y_bar with the
/// flipped kernel.
fn conv_input_grad<'g>(w: &Window, x: &[usize], kernel: Tensor<'g>, bar: Tensor<'g>) -> Tensor<'g> {
    let mut back = Window { stride: w.lhs_dilation, lhs_dilation: w.stride, ..*w };
    for i in 0..2 {
        let (k, n) = (w.reach(i, kernel.dim(2 + i)), back.spread(i, bar.dim(2 + i)));
        let lo = k - 1 - w.pad[i].0;
        back.pad[i] = (lo, w.spread(i, x[2 + i]) - 1 + k - n - lo);
    }
    bar.conv(kernel.flip(&[2, 3]).permute(&[1, 0, 2, 3]), back)
}

/// w_bar[k] = sum over (b, o) of x[o s + k d - lo] y_bar[o]: a convolution in which batch and channels change places.
fn conv_kernel_grad<'g>(w: &Window, kernel: &[usize], x: Tensor<'g>, bar: Tensor<'g>) -> Tensor<'g> {
    let mut back = Window { stride: w.dilation, dilation: w.stride, ..*w };
    // The engines gather patches of the first operand. Where both can be first, it is the one with fewer channels.
    let swap = w.stride == [1; 2] && w.lhs_dilation == [1; 2] && kernel[0] < kernel[1];
    for i in 0..2 {
        let (n, k) = (x.dim(2 + i), bar.dim(2 + i));
        let (n, k, lo) = if swap { (k, n, w.reach(i, kernel[2 + i]) - 1 - w.pad[i].0) } else { (n, k, w.pad[i].0) };
        let hi = w.reach(i, kernel[2 + i]) - 1 + back.reach(i, k) - w.spread(i, n) - lo;
        back.pad[i] = (lo, hi);
    }
    let turn = |t: Tensor<'g>| t.permute(&[1, 0, 2, 3]);
    if swap { turn(bar).conv(turn(x), back).flip(&[2, 3]) } else { turn(turn(x).conv(turn(bar), back)) }
}
