//! Convolutions: ONNX has one for stride and one for spread inputs, and neither crops.

use crate::writer::{Attr, Writer, signed};
use graph::{NodeId, Op, Window};

/// The attributes of a `ConvTranspose` that computes the same as a convolution of a spread input.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Transposed {
    /// Rows and columns taken off the full result: at the top, left, bottom, right.
    pads: [i64; 4],
    /// Rows and columns added at the bottom and right.
    output_padding: [i64; 2],
}

impl Transposed {
    /// For a kernel of that height and width; None for a window that `ConvTranspose` doesn't have.
    pub(crate) fn of(window: &Window, kernel: &[usize]) -> Option<Transposed> {
        if window.stride != [1; 2] || window.lhs_dilation == [1; 2] {
            return None;
        }
        let mut t = Transposed { pads: [0; 4], output_padding: [0; 2] };
        for (i, &size) in kernel.iter().enumerate() {
            // The full result has this many rows more than the spread input on each side.
            let around = (size as i64 - 1) * window.dilation[i] as i64;
            let (lo, hi) = (around - window.pad[i].0 as i64, around - window.pad[i].1 as i64);
            t.pads[i] = lo;
            t.pads[2 + i] = hi.max(0);
            t.output_padding[i] = (-hi).max(0);
            if lo < 0 || t.output_padding[i] >= window.lhs_dilation[i] as i64 {
                return None;
            }
        }
        Some(t)
    }
}

impl Writer<'_> {
    /// The node `conv`, with a bias if there is one, as the value of `id`. `kernel` is its kernel, or for a transposed
    /// convolution the one that it was turned from.
    pub(crate) fn conv(&mut self, id: NodeId, conv: NodeId, kernel: NodeId, bias: Option<NodeId>) {
        let program = self.program;
        let node = program.node(conv);
        let Op::Conv(window) = &node.op else { unreachable!("{} is no convolution", node.op) };
        let (x, w) = (node.inputs[0], node.inputs[1]);
        let [inputs, weight] = [self.value(x), self.value(kernel)];
        let bias = bias.map(|id| self.value(id));
        let size = |n: &[usize]| [n[2], n[3]];
        let ints = |v: [usize; 2]| signed(&v);
        if let Some(t) = Transposed::of(window, &program.node(w).shape[2..]) {
            let weight = if kernel == w { self.turned(weight) } else { weight };
            let attributes = [
                ("strides", Attr::Ints(&ints(window.lhs_dilation))),
                ("dilations", Attr::Ints(&ints(window.dilation))),
                ("pads", Attr::Ints(&t.pads)),
                ("output_padding", Attr::Ints(&t.output_padding)),
            ];
            let operands: Vec<String> = [inputs, weight].into_iter().chain(bias).collect();
            return self.define(id, "ConvTranspose", &operands, &attributes);
        }
        let (spread, sizes, pad) = self.spread(inputs, size(&program.node(x).shape), window, &node.shape);
        let (cropped, pads) = self.cropped(spread, sizes, pad);
        let attributes = [
            ("strides", Attr::Ints(&ints(window.stride))),
            ("dilations", Attr::Ints(&ints(window.dilation))),
            ("pads", Attr::Ints(&pads)),
        ];
        let operands: Vec<String> = [cropped, weight].into_iter().chain(bias).collect();
        self.define(id, "Conv", &operands, &attributes);
    }

    /// A kernel with its first axes exchanged, turned by 180 degrees.
    fn turned(&mut self, kernel: String) -> String {
        let inputs = self.flip(kernel, &[2, 3]);
        let flipped = self.op("Slice", &inputs, &[]);
        self.op("Transpose", &[flipped], &[("perm", Attr::Ints(&[1, 0, 2, 3]))])
    }

    /// An input (B, C, H, W) with zeros between its elements, its height and width, and what is left to pad.
    fn spread(
        &mut self,
        x: String,
        [h, w]: [usize; 2],
        window: &Window,
        batch: &[usize],
    ) -> (String, [usize; 2], [(isize, isize); 2]) {
        let [p, q] = window.lhs_dilation;
        if [p, q] == [1; 2] {
            return (x, [h, w], window.pad);
        }
        // Each element as the first of a p x q block of zeros: that makes p - 1 rows too many at the end.
        let b = batch[0] as i64;
        let [apart, zeros, wide] = [
            self.ints(&[b, -1, h as i64, 1, w as i64, 1]),
            self.ints(&[0, 0, 0, 0, 0, 0, 0, 0, 0, p as i64 - 1, 0, q as i64 - 1]),
            self.ints(&[b, -1, (h * p) as i64, (w * q) as i64]),
        ];
        let x = self.op("Reshape", &[x, apart], &[]);
        let x = self.op("Pad", &[x, zeros], &[]);
        let x = self.op("Reshape", &[x, wide], &[]);
        let less = |(lo, hi): (isize, isize), spread: usize| (lo, hi - (spread as isize - 1));
        (x, [h * p, w * q], [less(window.pad[0], p), less(window.pad[1], q)])
    }

    /// An input without the rows and columns that negative padding crops, and the padding that is left.
    fn cropped(&mut self, x: String, size: [usize; 2], pad: [(isize, isize); 2]) -> (String, [i64; 4]) {
        let zeros = [pad[0].0, pad[1].0, pad[0].1, pad[1].1].map(|p| p.max(0) as i64);
        if pad.iter().all(|&(lo, hi)| lo >= 0 && hi >= 0) {
            return (x, zeros);
        }
        let start = [0, 1].map(|i| (-pad[i].0).max(0) as i64);
        let end = [0, 1].map(|i| size[i] as i64 + pad[i].1.min(0) as i64);
        let inputs = [x, self.ints(&start), self.ints(&end), self.ints(&[2, 3])];
        (self.op("Slice", &inputs, &[]), zeros)
    }
}
