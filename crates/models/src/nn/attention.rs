//! Scaled dot-product attention (Vaswani et al. 2017, arXiv:1706.03762, eq. 1).

use graph::{Graph, Tensor};

/// Score of a pair that may not attend: its weight is exactly 0, as long as each query has a key.
const NEVER: f32 = -1e30;

/// softmax(q k^T / sqrt(d)) v: (.., T, d), (.., S, d), (.., S, d) to (.., T, d). Where `mask`, which broadcasts to
/// (.., T, S), is 0, a query does not see a key.
pub fn attention<'g>(q: Tensor<'g>, k: Tensor<'g>, v: Tensor<'g>, mask: Option<Tensor<'g>>) -> Tensor<'g> {
    let d = q.dim(q.rank() - 1);
    // The scale goes to q, which is smaller than the scores.
    let scores = (q * (1.0 / (d as f32).sqrt())).dot(k.t()); // (.., T, S)
    let scores = mask.map_or(scores, |m| m.select(scores, q.graph().scalar(NEVER)));
    super::softmax(scores, scores.rank() - 1).dot(v)
}

/// 1 where the position of the key (column) is at most that of the query (row): (t, t).
pub fn causal_mask(g: &Graph, t: usize) -> Tensor<'_> {
    g.iota(1, &[t, t]).le(g.iota(0, &[t, t]))
}

/// (B, T, heads d) to (B, heads, T, d).
pub fn split_heads(x: Tensor<'_>, heads: usize) -> Tensor<'_> {
    let [b, t, n] = x.shape()[..] else { panic!("split_heads: (B, T, heads d) is wanted, not {:?}", x.shape()) };
    x.reshape(&[b, t, heads, n / heads]).permute(&[0, 2, 1, 3])
}

/// (B, heads, T, d) to (B, T, heads d).
pub fn merge_heads(x: Tensor<'_>) -> Tensor<'_> {
    let [b, heads, t, d] = x.shape()[..] else {
        panic!("merge_heads: (B, heads, T, d) is wanted, not {:?}", x.shape())
    };
    x.permute(&[0, 2, 1, 3]).reshape(&[b, t, heads * d])
}
