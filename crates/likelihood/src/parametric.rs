//! Densities in closed form: log p(x) needs no network and no estimate. They are the floor below which no model should
//! be, and the truth that the estimators of models are tested against.
//!
//! Data are rows (N, D), row major. log p is in nats, of a density over the values as they are given; what that says of
//! 8-bit levels is in `footing`.

mod categorical;
mod diagonal;
mod gaussian;
mod linear;
mod mixture;
mod moments;
mod ppca;

pub use categorical::Categorical;
pub use diagonal::Diagonal;
pub use gaussian::Gaussian;
pub use mixture::{Em, Mixture};
pub use moments::Moments;
pub use ppca::Ppca;

/// 0.5 ln(2 pi).
const HALF_LN_TAU: f64 = 0.918_938_533_204_672_7;

/// Why there is no density, or no log p(x).
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Error {
    /// No rows, or rows of nothing.
    #[error("there are no data: give at least one row with at least one value")]
    Empty,
    /// Fewer rows than the density has to have.
    #[error("{rows} rows are too few: this density needs at least {needed}")]
    TooFew {
        /// Rows that were given.
        rows: usize,
        /// Rows that are needed.
        needed: usize,
    },
    /// A number of values that can't be divided into rows, or not that of the density.
    #[error("there are {given} values where {wanted} are wanted: give whole rows of that many")]
    Size {
        /// Values that were given.
        given: usize,
        /// Values of a row.
        wanted: usize,
    },
    /// NaN or infinity.
    #[error("value {at} is not a finite number: leave its row out or repair it")]
    NotANumber {
        /// Its place among all values that were given.
        at: usize,
    },
    /// A variance of 0.
    #[error("value {at} is the same in every row, so its density is infinite: leave it out or dequantise the data")]
    Constant {
        /// Its place in a row.
        at: usize,
    },
    /// Every row is the same.
    #[error("all rows are the same, so there is nothing to fit: give rows that differ")]
    Identical,
    /// A covariance without inverse.
    #[error(
        "value {at} follows from the values before it, so the covariance has no inverse: leave it out or dequantise"
    )]
    Singular {
        /// Its place in a row.
        at: usize,
    },
    /// A level that a categorical distribution does not have.
    #[error("level {level} at {at} is too high: there are {levels}, the first of which is 0")]
    Level {
        /// The level.
        level: u8,
        /// Its place.
        at: usize,
        /// Number of levels.
        levels: usize,
    },
    /// A parameter that makes no density.
    #[error("{0}")]
    Parameter(String),
    /// x is so far away that log p(x) has no finite value in 64 bits.
    #[error("this x is so far from the data that log p(x) can't be computed in 64 bits: check its scale")]
    TooFar,
}

/// Number of rows of `values` (N, D), all of them finite.
fn rows(values: &[f64], d: usize) -> Result<usize, Error> {
    finite(values)?;
    whole_rows(values.len(), d)
}

/// Number of rows of D in `len` values.
fn whole_rows(len: usize, d: usize) -> Result<usize, Error> {
    if len == 0 || d == 0 {
        return Err(Error::Empty);
    }
    if !len.is_multiple_of(d) {
        return Err(Error::Size { given: len, wanted: d });
    }
    Ok(len / d)
}

/// Whether `x` is one row of D finite values.
fn one_row(x: &[f64], d: usize) -> Result<(), Error> {
    size(x.len(), d)?;
    finite(x)
}

fn size(given: usize, wanted: usize) -> Result<(), Error> {
    if given == wanted { Ok(()) } else { Err(Error::Size { given, wanted }) }
}

fn finite(values: &[f64]) -> Result<(), Error> {
    values.iter().position(|v| !v.is_finite()).map_or(Ok(()), |at| Err(Error::NotANumber { at }))
}

/// A log density as an answer.
fn near(log_p: f64) -> Result<f64, Error> {
    if log_p.is_finite() { Ok(log_p) } else { Err(Error::TooFar) }
}

/// Standard normal numbers for tests.
#[cfg(test)]
pub(crate) fn normals(n: usize, seed: u64) -> Vec<f64> {
    let mut out = vec![0f32; n];
    data::rng::Rng::new(seed, data::rng::stream::DATA).fill_normal(&mut out);
    out.into_iter().map(f64::from).collect()
}
