//! What several nodes of a Program are called in ONNX: the operators that PyTorch's exporter writes for the same layers, so
//! that other runtimes find their fast paths and people find the network they know.

use crate::conv::Transposed;
use graph::{Binary, NodeId, Op, Program, Reduce, Unary, Window};
use std::collections::HashSet;

/// How a node is written.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Form {
    /// As its own operation says.
    Plain,
    /// `Conv` or `ConvTranspose` of node `conv`, with its bias (O); `kernel` is what it reads, or for `ConvTranspose` what
    /// that was turned from.
    Conv { conv: NodeId, kernel: NodeId, bias: Option<NodeId> },
    /// `Resize` of images by 2, each pixel repeated, then `Conv` of padding 1 with a kernel (O, C, 3, 3) and its bias (O).
    UpsampledConv { x: NodeId, kernel: NodeId, bias: Option<NodeId> },
    /// `Gemm`: x (M, K), w (K, N) or, if `turned`, (N, K), and a bias (N).
    Gemm { x: NodeId, w: NodeId, turned: bool, bias: Option<NodeId> },
    /// `LayerNormalization` over the last axis.
    LayerNorm { x: NodeId, weight: NodeId, bias: NodeId, epsilon: f32 },
    /// `InstanceNormalization` of groups, then scale and shift by channel: PyTorch's way to write group norm.
    GroupNorm { x: NodeId, weight: NodeId, bias: NodeId, groups: usize, epsilon: f32 },
    /// `Softmax` over one axis.
    Softmax { x: NodeId, axis: usize },
    /// `Gelu` in its tanh form.
    Gelu { x: NodeId },
    /// `Relu`.
    Relu { x: NodeId },
    /// `ReduceMean`.
    Mean { x: NodeId, axes: Vec<usize> },
    /// `Concat` of pads that don't overlap.
    Concat { parts: Vec<NodeId>, axis: usize },
    /// `Resize` of images, each pixel repeated.
    Upsample { x: NodeId, factors: [usize; 2] },
    /// `DepthToSpace` in the order of PyTorch's pixel shuffle.
    DepthToSpace { x: NodeId, block: usize },
    /// `Transpose`, of two permutations in a row.
    Transpose { x: NodeId, perm: Vec<usize> },
}

impl Form {
    /// The nodes between which it stands.
    fn inputs(&self, program: &Program, id: NodeId) -> Vec<NodeId> {
        match self {
            Form::Plain => program.node(id).inputs.clone(),
            Form::Conv { conv, kernel, bias } => {
                [program.node(*conv).inputs[0], *kernel].into_iter().chain(*bias).collect()
            }
            Form::UpsampledConv { x, kernel, bias } => [*x, *kernel].into_iter().chain(*bias).collect(),
            Form::Gemm { x, w, bias, .. } => [*x, *w].into_iter().chain(*bias).collect(),
            Form::LayerNorm { x, weight, bias, .. } | Form::GroupNorm { x, weight, bias, .. } => {
                vec![*x, *weight, *bias]
            }
            Form::Concat { parts, .. } => parts.clone(),
            Form::Softmax { x, .. }
            | Form::Gelu { x }
            | Form::Relu { x }
            | Form::Mean { x, .. }
            | Form::Upsample { x, .. }
            | Form::DepthToSpace { x, .. }
            | Form::Transpose { x, .. } => vec![*x],
        }
    }

    /// The nodes whose values it needs: operators that broadcast look through repetitions and constants.
    pub(crate) fn reads(&self, program: &Program, id: NodeId) -> Vec<NodeId> {
        let inputs = self.inputs(program, id);
        let pointwise = matches!(program.node(id).op, Op::Binary(_) | Op::Compare(_) | Op::Select);
        match self {
            Form::Plain if pointwise => inputs.into_iter().filter_map(|input| repeated(program, input)).collect(),
            Form::Relu { x } => repeated(program, *x).into_iter().collect(),
            _ => inputs,
        }
    }
}

/// What a node repeats; None for a constant.
fn repeated(program: &Program, id: NodeId) -> Option<NodeId> {
    match program.node(id).op {
        Op::Expand => repeated(program, program.node(id).inputs[0]),
        Op::Const(_) | Op::Iota(_) => None,
        _ => Some(id),
    }
}

/// A Program with the readers of each node.
pub(crate) struct Patterns<'p> {
    program: &'p Program,
    readers: Vec<Vec<NodeId>>,
    /// Outputs and next states, which are read from outside.
    kept: HashSet<NodeId>,
}

impl<'p> Patterns<'p> {
    pub(crate) fn new(program: &'p Program) -> Patterns<'p> {
        let kept = program.outputs.iter().map(|o| o.1).chain(program.state.iter().map(|s| s.1)).collect();
        Patterns { program, readers: graph::readers(&program.nodes), kept }
    }

    /// The form of a node: the first pattern that fits and whose inner nodes nobody else reads.
    pub(crate) fn form(&self, id: NodeId) -> Form {
        let all = [
            Self::upsampled_conv,
            Self::conv,
            Self::layer_norm,
            Self::group_norm,
            Self::gemm,
            Self::softmax,
            Self::gelu,
            Self::relu,
            Self::mean,
            Self::concat,
            Self::upsample,
            Self::depth_to_space,
            Self::transpose,
        ];
        let fits = |form: &Form| self.closed(id, &form.inputs(self.program, id));
        all.iter().filter_map(|pattern| pattern(self, id)).find(fits).unwrap_or(Form::Plain)
    }

    /// Whether the nodes between `root` and `leaves` have no other reader, so that none is computed twice. Movements and
    /// constants cost nothing worth a rule.
    fn closed(&self, root: NodeId, leaves: &[NodeId]) -> bool {
        let mut inner = HashSet::new();
        let mut left = vec![root];
        while let Some(id) = left.pop() {
            if !leaves.contains(&id) && inner.insert(id) {
                left.extend(&self.program.node(id).inputs);
            }
        }
        use Op::{Const, Expand, Flip, Iota, Permute, Reshape};
        let free = |id: &NodeId| matches!(self.op(*id), Const(_) | Iota(_) | Reshape | Permute(_) | Expand | Flip(_));
        inner
            .iter()
            .filter(|&&id| id != root && !free(&id))
            .all(|id| !self.kept.contains(id) && self.readers[id.index()].iter().all(|reader| inner.contains(reader)))
    }

    fn op(&self, id: NodeId) -> &Op {
        &self.program.node(id).op
    }

    fn shape(&self, id: NodeId) -> &[usize] {
        &self.program.node(id).shape
    }

    fn input(&self, id: NodeId, i: usize) -> NodeId {
        self.program.node(id).inputs[i]
    }

    fn unary(&self, id: NodeId, f: Unary) -> Option<NodeId> {
        (*self.op(id) == Op::Unary(f)).then(|| self.input(id, 0))
    }

    fn binary(&self, id: NodeId, f: Binary) -> Option<(NodeId, NodeId)> {
        (*self.op(id) == Op::Binary(f)).then(|| (self.input(id, 0), self.input(id, 1)))
    }

    /// The operands of a commutative operation in the order in which `first` accepts one.
    fn either<T>(&self, id: NodeId, f: Binary, first: impl Fn(NodeId) -> Option<T>) -> Option<(T, NodeId)> {
        let (a, b) = self.binary(id, f)?;
        first(a).map(|t| (t, b)).or_else(|| first(b).map(|t| (t, a)))
    }

    fn constant(&self, id: NodeId) -> Option<f32> {
        match self.op(id) {
            Op::Const(bits) => Some(f32::from_bits(*bits)),
            _ => None,
        }
    }

    /// A number, to within the rounding of f32.
    fn number(&self, id: NodeId, wanted: f32) -> Option<()> {
        self.constant(id).filter(|c| (c - wanted).abs() <= 1e-6 * wanted.abs()).map(drop)
    }

    /// The node below a repetition, if it is one.
    fn unexpanded(&self, id: NodeId) -> NodeId {
        if *self.op(id) == Op::Expand { self.input(id, 0) } else { id }
    }

    /// The vector (N) that is repeated everywhere but along `axis`.
    fn along(&self, id: NodeId, axis: usize) -> Option<NodeId> {
        let (shape, n) = (self.shape(id), self.shape(id)[axis]);
        let before = |shape: &[usize], axis: usize| shape[..axis].iter().product::<usize>();
        match self.op(id) {
            _ if shape.len() == 1 => Some(id),
            Op::Expand if self.shape(self.input(id, 0))[axis] == n => self.along(self.input(id, 0), axis),
            Op::Reshape => {
                let source = self.input(id, 0);
                let from = self.shape(source);
                let same = |&a: &usize| from[a] == n && before(from, a) == before(shape, axis);
                (0..from.len()).find(same).and_then(|axis| self.along(source, axis))
            }
            _ => None,
        }
    }

    /// x and axes of a mean.
    fn mean_of(&self, id: NodeId) -> Option<(NodeId, &[usize])> {
        let sum = |id: NodeId| match self.op(id) {
            Op::Reduce(Reduce::Sum, axes) => Some((self.input(id, 0), axes.as_slice())),
            _ => None,
        };
        let ((x, axes), factor) = self.either(id, Binary::Mul, sum)?;
        let n: usize = axes.iter().map(|&a| self.shape(x)[a]).product();
        self.number(factor, 1.0 / n as f32)?;
        Some((x, axes))
    }

    fn mean(&self, id: NodeId) -> Option<Form> {
        self.mean_of(id).map(|(x, axes)| Form::Mean { x, axes: axes.to_vec() })
    }

    /// Of a centred tensor and the root of its variance (both sizes 1 along the last axis): x and epsilon.
    fn normalised(&self, centred: NodeId, deviation: NodeId) -> Option<(NodeId, f32)> {
        let (x, mean) = self.binary(centred, Binary::Sub)?;
        let last = self.shape(x).len() - 1;
        let over_last = |(of, axes): (NodeId, &[usize]), x: NodeId| (of == x && axes == [last]).then_some(());
        over_last(self.mean_of(self.unexpanded(mean))?, x)?;
        let variance = self.unary(deviation, Unary::Sqrt)?;
        let (epsilon, variance) = self.either(variance, Binary::Add, |id| self.constant(id))?;
        let (square, axes) = self.mean_of(variance)?;
        let of = self.binary(square, Binary::Mul).filter(|&(a, b)| a == centred && b == centred)?;
        over_last((of.0, axes), centred)?;
        Some((x, epsilon))
    }

    /// (x - mean) * (1 / deviation) * weight + bias.
    fn layer_norm(&self, id: NodeId) -> Option<Form> {
        let last = self.shape(id).len().checked_sub(1)?;
        let vector = |id: NodeId| self.along(id, last);
        let (bias, scaled) = self.either(id, Binary::Add, vector)?;
        let (weight, normal) = self.either(scaled, Binary::Mul, vector)?;
        let (centred, inverse) = self.binary(normal, Binary::Mul)?;
        let (one, deviation) = self.binary(self.unexpanded(inverse), Binary::Div)?;
        self.number(one, 1.0)?;
        let (x, epsilon) = self.normalised(centred, deviation)?;
        Some(Form::LayerNorm { x, weight, bias, epsilon })
    }

    /// (x - mean) * channels(weight / deviation) + channels(bias), where x is (B, groups, ..) of an (B, C, ..).
    fn group_norm(&self, id: NodeId) -> Option<Form> {
        let shape = self.shape(id);
        if shape.len() < 3 {
            return None;
        }
        let (bias, scaled) = self.either(id, Binary::Add, |id| self.along(id, 1))?;
        let (back, scale) = self.binary(scaled, Binary::Mul)?;
        let unshaped = |id: NodeId| if *self.op(id) == Op::Reshape { self.input(id, 0) } else { id };
        let centred = unshaped(back);
        let (weight, deviation) = self.binary(unshaped(self.unexpanded(scale)), Binary::Div)?;
        let weight = unshaped(self.unexpanded(weight));
        let (grouped, epsilon) = self.normalised(centred, self.unexpanded(deviation))?;
        let [b, groups, _] = *self.shape(grouped) else { return None };
        let fits = b == shape[0] && shape[1].is_multiple_of(groups) && self.shape(weight) == [shape[1]];
        // The groups are a view of x in its own shape.
        let x = unshaped(grouped);
        (fits && self.shape(x) == shape).then_some(Form::GroupNorm { x, weight, bias, groups, epsilon })
    }

    /// A convolution and its bias, if it has one.
    fn conv_and_bias(&self, id: NodeId) -> Option<(NodeId, Option<NodeId>)> {
        let is_conv = |id: NodeId| matches!(self.op(id), Op::Conv(_)).then_some(id);
        let with_bias = self.either(id, Binary::Add, is_conv);
        let with_bias = with_bias.and_then(|(conv, bias)| Some((conv, Some(self.along(bias, 1)?))));
        with_bias.or_else(|| is_conv(id).map(|conv| (conv, None)))
    }

    /// A transposed convolution of stride 2 whose kernel is one of 3 x 3, added to itself at the four places that a pixel
    /// is repeated to.
    fn upsampled_conv(&self, id: NodeId) -> Option<Form> {
        let (conv, bias) = self.conv_and_bias(id)?;
        let window = Window { lhs_dilation: [2; 2], ..Window::new(1, 2) };
        let places = self.pads(self.input(conv, 1))?;
        let kernel = places[0].0;
        let mut starts: Vec<&[usize]> = places.iter().filter(|p| p.0 == kernel).map(|p| p.1).collect();
        starts.sort_unstable();
        let fits = *self.op(conv) == Op::Conv(window)
            && places.len() == 4
            && starts == [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 1, 1]]
            && self.shape(kernel)[2..] == [3, 3]
            && self.shape(self.input(conv, 1))[2..] == [4, 4];
        fits.then(|| Form::UpsampledConv { x: self.input(conv, 0), kernel, bias })
    }

    fn conv(&self, id: NodeId) -> Option<Form> {
        let (conv, bias) = self.conv_and_bias(id)?;
        let (Op::Conv(window), w) = (self.op(conv), self.input(conv, 1)) else { return None };
        let transposed = Transposed::of(window, &self.shape(w)[2..]).is_some();
        let kernel = if transposed { self.unturned(w).unwrap_or(w) } else { w };
        Some(Form::Conv { conv, kernel, bias })
    }

    /// The kernel as PyTorch stores it for a transposed convolution, if `w` is that kernel with its first axes exchanged
    /// and turned by 180 degrees.
    fn unturned(&self, w: NodeId) -> Option<NodeId> {
        let swapped = (*self.op(w) == Op::Permute(vec![1, 0, 2, 3])).then(|| self.input(w, 0))?;
        let axes: Vec<usize> = (2..4).filter(|&a| self.shape(w)[a] > 1).collect();
        match self.op(swapped) {
            Op::Flip(flipped) if *flipped == axes => Some(self.input(swapped, 0)),
            _ => axes.is_empty().then_some(swapped),
        }
    }

    fn gemm(&self, id: NodeId) -> Option<Form> {
        let is_dot = |id: NodeId| (*self.op(id) == Op::Dot && self.shape(id).len() == 2).then_some(id);
        let with_bias =
            self.either(id, Binary::Add, is_dot).and_then(|(dot, bias)| Some((dot, Some(self.along(bias, 1)?))));
        let (dot, bias) = with_bias.or_else(|| is_dot(id).map(|dot| (dot, None)))?;
        let (x, w) = (self.input(dot, 0), self.input(dot, 1));
        let turned = matches!(self.op(w), Op::Permute(_));
        // Without either it is a plain MatMul.
        let form = Form::Gemm { x, w: if turned { self.input(w, 0) } else { w }, turned, bias };
        (turned || bias.is_some()).then_some(form)
    }

    fn softmax(&self, id: NodeId) -> Option<Form> {
        let (e, sum) = self.binary(id, Binary::Div)?;
        let reduced = |id: NodeId, wanted: Reduce| match self.op(self.unexpanded(id)) {
            Op::Reduce(f, axes) if *f == wanted && axes.len() == 1 => {
                Some((self.input(self.unexpanded(id), 0), axes[0]))
            }
            _ => None,
        };
        let (summed, axis) = reduced(sum, Reduce::Sum)?;
        let (x, top) = self.binary(self.unary(e, Unary::Exp)?, Binary::Sub)?;
        (summed == e && reduced(top, Reduce::Max)? == (x, axis)).then_some(Form::Softmax { x, axis })
    }

    /// 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x x x))).
    fn gelu(&self, id: NodeId) -> Option<Form> {
        let (half, factor) = self.binary(id, Binary::Mul)?;
        let times = |id: NodeId, c: f32| self.either(id, Binary::Mul, |id| self.number(id, c)).map(|(_, x)| x);
        let x = times(half, 0.5)?;
        let (_, tanh) = self.either(factor, Binary::Add, |id| self.number(id, 1.0))?;
        let (a, cube) = self.binary(times(self.unary(tanh, Unary::Tanh)?, 0.797_884_6)?, Binary::Add)?;
        let (square, c) = self.binary(cube, Binary::Mul)?;
        let (scaled, b) = self.binary(square, Binary::Mul)?;
        (a == x && b == x && c == x && times(scaled, 0.044_715)? == x).then_some(Form::Gelu { x })
    }

    fn relu(&self, id: NodeId) -> Option<Form> {
        self.either(id, Binary::Max, |id| self.constant(id).filter(|&c| c == 0.0)).map(|(_, x)| Form::Relu { x })
    }

    /// What a sum of pads pads, and where it starts; in the order of the sum.
    fn pads(&self, id: NodeId) -> Option<Vec<(NodeId, &[usize])>> {
        self.binary(id, Binary::Add)?;
        let mut pads = Vec::new();
        let mut left = vec![id];
        while let Some(id) = left.pop() {
            match self.op(id) {
                Op::Binary(Binary::Add) => left.extend(self.program.node(id).inputs.iter().rev()),
                Op::Pad(start) => pads.push((self.input(id, 0), start.as_slice())),
                _ => return None,
            }
        }
        Some(pads)
    }

    /// A sum of pads along one axis, each where the one before ends.
    fn concat(&self, id: NodeId) -> Option<Form> {
        let pads = self.pads(id)?;
        let shape = self.shape(id);
        let axis = (0..shape.len()).find(|&a| self.shape(pads[0].0)[a] != shape[a])?;
        let mut at = 0;
        for (part, start) in &pads {
            let size = self.shape(*part);
            let fits = |a: usize| if a == axis { start[a] == at } else { start[a] == 0 && size[a] == shape[a] };
            if !(0..shape.len()).all(fits) {
                return None;
            }
            at += size[axis];
        }
        (at == shape[axis]).then(|| Form::Concat { parts: pads.iter().map(|p| p.0).collect(), axis })
    }

    /// (B, C, H, W) as (B, C, H, 1, W, 1), repeated to (B, C, H, r, W, s), as (B, C, H r, W s).
    fn upsample(&self, id: NodeId) -> Option<Form> {
        let wide = (*self.op(id) == Op::Reshape).then(|| self.input(id, 0)).filter(|&w| *self.op(w) == Op::Expand)?;
        let narrow = Some(self.input(wide, 0)).filter(|&n| *self.op(n) == Op::Reshape)?;
        let x = self.input(narrow, 0);
        let ([b, c, h, w], &[.., r, _, s]) = (self.shape(x).first_chunk::<4>()?, self.shape(wide)) else { return None };
        let fits = self.shape(x).len() == 4
            && *self.shape(narrow) == [*b, *c, *h, 1, *w, 1]
            && *self.shape(id) == [*b, *c, h * r, w * s];
        fits.then_some(Form::Upsample { x, factors: [r, s] })
    }

    fn depth_to_space(&self, id: NodeId) -> Option<Form> {
        let turned = (*self.op(id) == Op::Reshape).then(|| self.input(id, 0))?;
        let is_shuffle = *self.op(turned) == Op::Permute(vec![0, 1, 4, 2, 5, 3]);
        let split = is_shuffle.then(|| self.input(turned, 0)).filter(|&s| *self.op(s) == Op::Reshape)?;
        let x = self.input(split, 0);
        let &[b, c, r, s, h, w] = self.shape(split) else { return None };
        let fits = r == s && *self.shape(x) == [b, c * r * r, h, w] && *self.shape(id) == [b, c, h * r, w * r];
        fits.then_some(Form::DepthToSpace { x, block: r })
    }

    fn transpose(&self, id: NodeId) -> Option<Form> {
        let first = *self.program.node(id).inputs.first()?;
        let (Op::Permute(outer), Op::Permute(inner)) = (self.op(id), self.op(first)) else { return None };
        let x = self.input(first, 0);
        Some(Form::Transpose { x, perm: outer.iter().map(|&a| inner[a]).collect() })
    }
}
