//! Fully connected layers, embeddings and activations.

use crate::params::{Init, Params};
use graph::Tensor;

/// Fully connected layer `x W^T + b`: (.., N) to (.., `out`). Parameters `<name>.weight` (out, N) and `<name>.bias`.
pub fn linear<'g>(p: &Params<'g>, name: &str, x: Tensor<'g>, out: usize) -> Tensor<'g> {
    let n = x.dim(x.rank() - 1);
    linear_with(p, name, x, out, Init::Normal { fan_in: n })
}

/// [`linear`] with other first values of the weight.
pub fn linear_with<'g>(p: &Params<'g>, name: &str, x: Tensor<'g>, out: usize, init: Init) -> Tensor<'g> {
    let mut shape = x.shape();
    let n = shape.pop().unwrap_or(1);
    let weight = p.get(&format!("{name}.weight"), &[out, n], init);
    let bias = p.get(&format!("{name}.bias"), &[out], Init::Zeros);
    let rows = shape.iter().product();
    shape.push(out);
    (x.reshape(&[rows, n]).dot(weight.t()) + bias).reshape(&shape)
}

/// Rows of a table by index: (N) whole numbers to (N, `width`). Parameter `<name>.weight` (rows, width).
///
/// An index outside of the table gives zeros.
pub fn embedding<'g>(
    p: &Params<'g>,
    name: &str,
    index: Tensor<'g>,
    [rows, width]: [usize; 2],
    init: Init,
) -> Tensor<'g> {
    p.get(&format!("{name}.weight"), &[rows, width], init).gather(0, index)
}

/// What a network makes of labels: `class` (B, A) holds a number for each of A labels, from 0 to `counts[a]`, where the last
/// means none. Each has a row of its own in one table, and the rows of an image are added: (B, `width`). Parameter
/// `<name>.weight` (sum of `counts[a] + 1`, width).
pub fn label_embedding<'g>(
    p: &Params<'g>,
    name: &str,
    class: Tensor<'g>,
    counts: &[usize],
    width: usize,
    init: Init,
) -> Tensor<'g> {
    let (b, labels) = (class.dim(0), counts.len());
    assert_eq!(class.dim(1), labels, "label_embedding: a number for each label is wanted");
    let rows: usize = counts.iter().map(|n| n + 1).sum();
    let mut start = 0;
    let starts = counts.iter().map(|n| {
        start += n + 1;
        (start - n - 1) as f32
    });
    // The same rows for all images: a sum of steps, since a graph holds no lists of constants.
    let label = class.graph().iota(1, &[b, labels]);
    let first = starts.enumerate().skip(1).fold(label * 0.0, |sum, (a, start)| {
        let here = label.eq(class.graph().scalar(a as f32));
        here.select(class.graph().scalar(start), sum)
    });
    let index = (class + first).reshape(&[b * labels]);
    embedding(p, name, index, [rows, width], init).reshape(&[b, labels, width]).sum(&[1]).reshape(&[b, width])
}

/// Sines, then cosines, of `t` (B) at `width / 2` frequencies from 1 down to 1e-4 in equal ratios: (B, `width`).
/// Vaswani et al. 2017, arXiv:1706.03762, section 3.5, as Ho et al. 2020, arXiv:2006.11239, feed it to a U-Net.
pub fn time_embedding(t: Tensor<'_>, width: usize) -> Tensor<'_> {
    assert!(width.is_multiple_of(2), "time_embedding: an even width is wanted, not {width}");
    let (g, b, half) = (t.graph(), t.dim(0), width / 2);
    let i = g.iota(1, &[b, half]);
    let angle = t.reshape(&[b, 1]) * (i * (-1e4f32.ln() / half as f32)).exp();
    super::concat(&[angle.sin(), angle.cos()], 1)
}

/// Gaussian error linear unit (Hendrycks & Gimpel 2016, arXiv:1606.08415) in its tanh form, which is GPT-2's: the exact
/// one needs erf.
pub fn gelu(x: Tensor<'_>) -> Tensor<'_> {
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    0.5 * x * (1.0 + (SQRT_2_OVER_PI * (x + 0.044_715 * x * x * x)).tanh())
}
