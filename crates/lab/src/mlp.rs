//! A fully connected network of the plane.

use graph::Tensor;
use models::nn;
use models::params::{Init, Params};

/// A layer x W^T + b, (B, N) to (B, `out`), whose biases start at random: in the plane, the first layer's folds must not all go
/// through one point.
pub(crate) fn spread<'g>(p: &Params<'g>, name: &str, x: Tensor<'g>, out: usize) -> Tensor<'g> {
    let n = x.dim(1);
    let weight = p.get(&format!("{name}.weight"), &[out, n], Init::Normal { fan_in: n });
    x.dot(weight.t()) + p.get(&format!("{name}.bias"), &[out], Init::Deviation(1.0))
}

/// `layers` hidden layers of `width` behind x (B, N), of which the first is shifted by `given` (B, width): (B, width).
pub(crate) fn hidden<'g>(
    p: &Params<'g>,
    name: &str,
    x: Tensor<'g>,
    given: Option<Tensor<'g>>,
    [layers, width]: [usize; 2],
) -> Tensor<'g> {
    let first = spread(p, &format!("{name}.0"), x, width);
    let first = given.map_or(first, |given| first + given).silu();
    (1..layers).fold(first, |h, layer| nn::linear(p, &format!("{name}.{layer}"), h, width).silu())
}

/// What a network makes of labels (B), one of `classes` or that number for none: (B, width).
pub(crate) fn label<'g>(
    p: &Params<'g>,
    name: &str,
    class: Option<Tensor<'g>>,
    classes: usize,
    width: usize,
) -> Option<Tensor<'g>> {
    let rows = [classes + 1, width];
    class.map(|class| nn::embedding(p, &format!("{name}.class"), class, rows, Init::Deviation(1.0)))
}
