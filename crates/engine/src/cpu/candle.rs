//! Matrix products by candle-core, on processors for which no tile of ours was measured: candle's are tuned for ARM, and for
//! x86 with and without AVX. Their sums have another order for another number of rows.

use super::gemm::{Grid, Product, Side};
use candle_core::{Device, Result, Tensor};

/// All terms of each lane, lane by lane.
pub(super) fn pack(grid: Grid<'_>, panels: &mut Vec<f32>) {
    let lane = |&at: &u32| grid.terms.iter().map(move |&k| grid.data[(at + k) as usize]);
    panels.clear();
    panels.extend(grid.lanes.iter().flat_map(lane));
}

/// Computes the product.
pub(super) fn run(mut product: Product<'_>) {
    let (rows, columns) = (product.rows.len(), product.columns);
    if rows == 0 || columns == 0 || product.depth == 0 {
        return product.target.clear(rows, columns);
    }
    let values = multiply(&product).expect("sizes that fit are all that candle asks for");
    for (i, row) in values.chunks_exact(columns).enumerate() {
        product.target.data[i * product.target.stride..][..columns].copy_from_slice(row);
    }
}

fn multiply(product: &Product<'_>) -> Result<Vec<f32>> {
    let lanes = |side: Side<'_>, first: usize, n: usize| {
        let mut values = Vec::new();
        match side {
            Side::Packed { panels, .. } => {
                values.extend_from_slice(&panels[first * product.depth..][..n * product.depth])
            }
            Side::Grid(grid) => pack(Grid { lanes: &grid.lanes[first..first + n], ..grid }, &mut values),
        }
        Tensor::from_vec(values, (n, product.depth), &Device::Cpu)
    };
    let left = lanes(product.left, product.rows.start, product.rows.len())?;
    let right = lanes(product.right, 0, product.columns)?;
    left.matmul(&right.t()?)?.flatten_all()?.to_vec1()
}
