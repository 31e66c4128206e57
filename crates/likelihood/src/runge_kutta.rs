//! Ordinary differential equations dy/dt = f(t, y) by the pair of fifth and fourth order of Dormand & Prince 1980 ("A
//! family of embedded Runge-Kutta formulae", table 2, RK5(4)7M). The difference of the two chooses the step; the last
//! slope of a step is the first one of the next. First step and control as in Hairer, Nørsett & Wanner 1993, "Solving
//! ordinary differential equations I", section II.4.

/// Nodes c and rows a of the seven slopes. The last row is the solution of fifth order itself.
const NODES: [f64; 7] = [0.0, 0.2, 0.3, 0.8, 8.0 / 9.0, 1.0, 1.0];
const ROWS: [&[f64]; 7] = [
    &[],
    &[0.2],
    &[3.0 / 40.0, 9.0 / 40.0],
    &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
    &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
    &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
    &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
];
/// The solution of fifth order less that of fourth.
const DIFFERENCE: [f64; 7] =
    [71.0 / 57600.0, 0.0, -71.0 / 16695.0, 71.0 / 1920.0, -17253.0 / 339200.0, 22.0 / 525.0, -1.0 / 40.0];

/// A step is this part of the one whose error would just be allowed.
const SAFETY: f64 = 0.9;
/// Least and most that a step grows by.
const GROWTH: [f64; 2] = [0.2, 10.0];

/// An equation.
pub trait Equation {
    /// What can go wrong with f.
    type Error: std::error::Error + 'static;

    /// f(t, y), of the size of y.
    fn slope(&mut self, t: f64, y: &[f64]) -> impl Future<Output = Result<Vec<f64>, Self::Error>>;

    /// Size of an error whose parts are given in units of what is allowed; a step with up to 1 is taken.
    fn norm(&self, parts: &[f64]) -> f64 {
        root_mean_square(parts)
    }
}

/// sqrt of the mean of squares.
pub fn root_mean_square(x: &[f64]) -> f64 {
    (x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64).sqrt()
}

/// What is asked of the solution.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Limits {
    /// Error of a step that is allowed in every value.
    pub absolute: f64,
    /// The same as a part of the value, on top.
    pub relative: f64,
    /// Most evaluations of f.
    pub max_evals: usize,
}

/// y at the end.
#[derive(Clone, PartialEq, Debug)]
pub struct Solution {
    /// The values.
    pub y: Vec<f64>,
    /// Evaluations of f, those of steps that were refused among them.
    pub n_evals: usize,
}

/// Why there is no solution.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Error<E: std::error::Error + 'static> {
    /// f failed.
    #[error(transparent)]
    Slope(#[from] E),
    /// f is infinite or NaN.
    #[error("a slope is not a number; there is no solution")]
    NotANumber,
    /// It takes more than [`Limits::max_evals`].
    #[error("{limit} evaluations led to {at} on the way from {from} to {to}: allow more of them, or a larger error")]
    TooManyEvaluations {
        /// How many were allowed.
        limit: usize,
        /// Where the way starts.
        from: f64,
        /// Where it ends.
        to: f64,
        /// How far it is solved.
        at: f64,
    },
}

/// y at `to`, from `y` at `from`, either of which may be the larger.
pub async fn solve<Q: Equation>(
    equation: &mut Q,
    [from, to]: [f64; 2],
    y: Vec<f64>,
    limits: Limits,
) -> Result<Solution, Error<Q::Error>> {
    let (mut solver, mut y, mut t) = (Solver { equation, limits, n_evals: 0 }, y, from);
    let too_many = |at| Error::TooManyEvaluations { limit: limits.max_evals, from, to, at };
    if limits.max_evals < 2 {
        return Err(too_many(from));
    }
    let mut slope = solver.slope(t, &y).await?;
    let mut step = solver.first_step([from, to], &y, &slope).await?;
    let mut refused = false;
    while t != to {
        if solver.n_evals + ROWS.len() - 1 > limits.max_evals {
            return Err(too_many(t));
        }
        let last = (to - t).abs() <= step.abs() * (1.0 + 1e-9);
        let h = if last { to - t } else { step };
        let (next, slope_there, error) = solver.step(t, h, &y, &slope).await?;
        let most = if refused { 1.0 } else { GROWTH[1] };
        step = h * (SAFETY * error.powf(-0.2)).clamp(GROWTH[0], most);
        refused = error > 1.0;
        if !refused {
            (t, y, slope) = (if last { to } else { t + h }, next, slope_there);
        }
    }
    Ok(Solution { y, n_evals: solver.n_evals })
}

struct Solver<'a, Q> {
    equation: &'a mut Q,
    limits: Limits,
    n_evals: usize,
}

impl<Q: Equation> Solver<'_, Q> {
    async fn slope(&mut self, t: f64, y: &[f64]) -> Result<Vec<f64>, Error<Q::Error>> {
        self.n_evals += 1;
        let slope = self.equation.slope(t, y).await?;
        if slope.iter().all(|v| v.is_finite()) { Ok(slope) } else { Err(Error::NotANumber) }
    }

    /// Size of `parts` in units of what is allowed between `y` and `other`.
    fn norm(&self, parts: &[f64], y: &[f64], other: &[f64]) -> f64 {
        let Limits { absolute, relative, .. } = self.limits;
        let allowed = |i: usize| absolute + relative * y[i].abs().max(other[i].abs());
        self.equation.norm(&parts.iter().enumerate().map(|(i, part)| part / allowed(i)).collect::<Vec<_>>())
    }

    /// A step that is not too long by far, for the price of an evaluation: `slope` is that at `y`.
    async fn first_step(&mut self, [from, to]: [f64; 2], y: &[f64], slope: &[f64]) -> Result<f64, Error<Q::Error>> {
        let (size, speed) = (self.norm(y, y, y), self.norm(slope, y, y));
        let small = if size < 1e-5 || speed < 1e-5 { 1e-6 } else { 0.01 * size / speed };
        let small = small.min((to - from).abs()).copysign(to - from);
        let there: Vec<f64> = y.iter().zip(slope).map(|(y, slope)| y + small * slope).collect();
        let bend: Vec<f64> = self.slope(from + small, &there).await?.iter().zip(slope).map(|(b, a)| b - a).collect();
        let fastest = speed.max(self.norm(&bend, y, y) / small.abs());
        let by_order = if fastest <= 1e-15 { 1e-3 * small.abs() } else { (0.01 / fastest).powf(0.2) };
        Ok(by_order.min(100.0 * small.abs()).copysign(small))
    }

    /// y and f a step `h` further on, and the error in units of what is allowed.
    async fn step(
        &mut self,
        t: f64,
        h: f64,
        y: &[f64],
        slope: &[f64],
    ) -> Result<(Vec<f64>, Vec<f64>, f64), Error<Q::Error>> {
        let (mut slopes, mut next) = (vec![slope.to_vec()], Vec::new());
        for (c, row) in NODES.into_iter().zip(ROWS).skip(1) {
            next = combine(&slopes, row);
            next.iter_mut().zip(y).for_each(|(next, y)| *next = y + h * *next);
            slopes.push(self.slope(t + c * h, &next).await?);
        }
        let error: Vec<f64> = combine(&slopes, &DIFFERENCE).iter().map(|v| h * v).collect();
        let error = self.norm(&error, y, &next);
        if error.is_nan() {
            return Err(Error::NotANumber);
        }
        slopes.pop().map(|slope| (next, slope, error)).ok_or(Error::NotANumber)
    }
}

/// The sum of slopes, each times its factor.
fn combine(slopes: &[Vec<f64>], factors: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; slopes[0].len()];
    for (slope, factor) in slopes.iter().zip(factors) {
        sum.iter_mut().zip(slope).for_each(|(sum, v)| *sum += factor * v);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollster::block_on;
    use std::convert::Infallible;

    struct Of<F>(F);

    impl<F: Fn(f64, &[f64]) -> Vec<f64>> Equation for Of<F> {
        type Error = Infallible;

        async fn slope(&mut self, t: f64, y: &[f64]) -> Result<Vec<f64>, Infallible> {
            Ok(self.0(t, y))
        }
    }

    fn limits(tolerance: f64) -> Limits {
        Limits { absolute: tolerance, relative: tolerance, max_evals: 100_000 }
    }

    fn oscillator(_: f64, y: &[f64]) -> Vec<f64> {
        vec![y[1], -y[0]]
    }

    #[test]
    fn the_tables_are_of_the_orders_that_they_claim() {
        for (c, row) in NODES.iter().zip(ROWS) {
            assert!((row.iter().sum::<f64>() - c).abs() < 1e-14);
        }
        // sum b c^(q - 1) = 1 / q up to the order.
        let moment = |b: &[f64], q: i32| b.iter().zip(NODES).map(|(b, c)| b * f64::powi(c, q - 1)).sum::<f64>();
        for q in 1..=5 {
            assert!((moment(ROWS[6], q) - 1.0 / f64::from(q)).abs() < 1e-14, "{q}");
        }
        assert!((1..=4).all(|q| moment(&DIFFERENCE, q).abs() < 1e-14));
        assert!(moment(&DIFFERENCE, 5).abs() > 1e-4);
    }

    #[test]
    fn the_error_falls_with_the_tolerance() {
        let mut errors = Vec::new();
        for tolerance in [1e-3, 1e-5, 1e-7, 1e-9] {
            let turn = block_on(solve(&mut Of(oscillator), [0.0, 10.0], vec![1.0, 0.0], limits(tolerance))).unwrap();
            let growth = block_on(solve(&mut Of(|_, y: &[f64]| vec![y[0]]), [0.0, 3.0], vec![1.0], limits(tolerance)));
            let growth = growth.unwrap();
            let off = [turn.y[0] - 10f64.cos(), turn.y[1] + 10f64.sin(), growth.y[0] / 3f64.exp() - 1.0];
            let worst = off.iter().fold(0f64, |worst, v| worst.max(v.abs()));
            println!(
                "tolerance {tolerance:.0e}: error {worst:.1e}, {} and {} evaluations",
                turn.n_evals, growth.n_evals
            );
            assert!(worst < 30.0 * tolerance, "{off:?}");
            errors.push(worst);
        }
        assert!(errors.windows(2).all(|e| e[1] < 0.05 * e[0]), "{errors:?}");
    }

    #[test]
    fn evaluations_are_those_made_and_the_way_back_ends_at_the_start() {
        let count = std::cell::Cell::new(0);
        let mut counted = Of(|t: f64, y: &[f64]| {
            count.set(count.get() + 1);
            vec![-20.0 * (y[0] - t.cos())]
        });
        let there = block_on(solve(&mut counted, [0.0, 1.5], vec![0.0], limits(1e-8))).unwrap();
        assert_eq!(there.n_evals, count.get());
        // y = (400 cos t + 20 sin t - 400 e^(-20 t)) / 401
        let truth = (400.0 * 1.5f64.cos() + 20.0 * 1.5f64.sin() - 400.0 * (-30f64).exp()) / 401.0;
        assert!((there.y[0] - truth).abs() < 1e-7, "{there:?} {truth}");
        let turn = |span, y| block_on(solve(&mut Of(oscillator), span, y, limits(1e-9))).unwrap().y;
        let back = turn([7.0, 0.0], turn([0.0, 7.0], vec![0.3, -1.2]));
        assert!((back[0] - 0.3).abs() < 1e-7 && (back[1] + 1.2).abs() < 1e-7, "{back:?}");
        assert_eq!(turn([1.0, 1.0], vec![0.3, -1.2]), [0.3, -1.2]);
    }

    #[test]
    fn what_is_no_number_and_what_takes_too_long_is_refused() {
        let none = block_on(solve(&mut Of(|_, _: &[f64]| vec![f64::NAN]), [0.0, 1.0], vec![0.0], limits(1e-3)));
        assert_eq!(none, Err(Error::NotANumber));
        for max_evals in [0, 1, 7, 8, 50] {
            let limits = Limits { max_evals, ..limits(1e-12) };
            let short = block_on(solve(&mut Of(oscillator), [0.0, 100.0], vec![1.0, 0.0], limits)).unwrap_err();
            let Error::TooManyEvaluations { limit, at, .. } = short else { panic!("{short}") };
            assert!(limit == max_evals && (0.0..10.0).contains(&at), "{short}");
        }
        // y = 1 / (1 - t) has no value at 1.
        let pole = block_on(solve(&mut Of(|_, y: &[f64]| vec![y[0] * y[0]]), [0.0, 2.0], vec![1.0], limits(1e-6)));
        assert!(pole.is_err(), "{pole:?}");
    }
}
