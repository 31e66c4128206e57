//! Points of the plane, and what is done to them before a model sees them.

use crate::sets::Set;
use crate::table::Refusal;
use data::rng::{Rng, stream};

/// Fewest points that can be split, learned and scored.
const FEWEST: usize = 4;
/// More points than these are thinned.
const MOST: usize = 10_000;
/// One point in so many is held out.
const HELD_OUT: usize = 5;
/// What is shown beside the data, as a share of their range.
const MARGIN: f64 = 0.15;
/// Beyond these sizes the page, which draws in 32 bits, and the squares in a variance have no numbers any more.
const LARGEST: f64 = 1e30;
const SMALLEST: f64 = 1e-30;
/// A range below this share of the values is what 64 bits round off.
const ROUNDING: f64 = 1e-12;

/// A point of the plane, in standard deviations.
pub type Point = [f32; 2];

/// A part of the plane.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Window {
    /// From and to.
    pub x: [f64; 2],
    /// From and to.
    pub y: [f64; 2],
}

/// Points in the person's units.
#[derive(Clone, PartialEq, Debug)]
pub struct Points {
    /// Where they are.
    pub at: Vec<[f64; 2]>,
    /// The class of each; empty where there are no classes.
    pub labels: Vec<u8>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Names of the coordinates.
    pub axes: [String; 2],
}

impl Points {
    /// Those at these places, in this order.
    fn pick(&self, places: &[usize]) -> Points {
        Points {
            at: places.iter().map(|&i| self.at[i]).collect(),
            // Without labels there is nothing to pick.
            labels: places.iter().filter_map(|&i| self.labels.get(i).copied()).collect(),
            classes: self.classes.clone(),
            axes: self.axes.clone(),
        }
    }

    /// From the least to the largest value of a coordinate.
    fn range(&self, axis: usize) -> [f64; 2] {
        let wider = |[from, to]: [f64; 2], x: &[f64; 2]| [from.min(x[axis]), to.max(x[axis])];
        self.at.iter().fold([f64::INFINITY, f64::NEG_INFINITY], wider)
    }

    /// Refuses what no model can learn; `whose` says which points these are.
    fn varied(&self, whose: &str) -> Result<(), Refusal> {
        let flat = |axis: usize| {
            let [from, to] = self.range(axis);
            to - from <= (ROUNDING * from.abs().max(to.abs())).max(SMALLEST)
        };
        let refuse = |axis: usize| {
            let name = &self.axes[axis];
            Err(Refusal(format!(
                "{whose} have the same {name}, so they lie on a line, where a density of the plane has no number. Points that \
                 differ in {name} are needed."
            )))
        };
        match [flat(0), flat(1)] {
            [true, true] => Err(Refusal(format!(
                "{whose} are at the same place, so there is nothing to learn. Points that differ are needed."
            ))),
            [true, false] => refuse(0),
            [false, true] => refuse(1),
            [false, false] => Ok(()),
        }
    }

    /// Refuses what is no set of points.
    fn checked(&self) -> Result<(), Refusal> {
        let n = self.at.len();
        if n < FEWEST {
            let have = match n {
                0 => "there are none".to_string(),
                1 => "there is one".to_string(),
                n => format!("there are {n}"),
            };
            return Err(Refusal(format!("The lab needs at least {FEWEST} points; {have}.")));
        }
        if let Some(i) = self.at.iter().position(|x| !x.iter().all(|v| v.is_finite())) {
            return Err(Refusal(format!("Point {} has a coordinate that is not a finite number.", i + 1)));
        }
        if let Some(i) = self.at.iter().position(|x| x.iter().any(|v| v.abs() > LARGEST)) {
            return Err(Refusal(format!("Point {} has a coordinate beyond {LARGEST:e}, which can't be drawn.", i + 1)));
        }
        if !self.labels.is_empty() && self.labels.len() != n {
            return Err(Refusal(format!("There are {} labels for {n} points.", self.labels.len())));
        }
        if self.labels.iter().any(|&label| usize::from(label) >= self.classes.len()) {
            return Err(Refusal("A point has a label that is none of the classes.".into()));
        }
        self.varied("All points")
    }
}

/// The line that takes the person's units to standard deviations of the training points.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Scale {
    /// Of each coordinate.
    pub mean: [f64; 2],
    /// Standard deviations.
    pub sd: [f64; 2],
}

impl Scale {
    /// Of points that vary in both coordinates.
    pub fn of(points: &[[f64; 2]]) -> Scale {
        let n = points.len() as f64;
        // Differences to the first point keep the digits of a small spread about a large value.
        let first = points.first().copied().unwrap_or_default();
        let mean_of = |axis: usize, f: &dyn Fn(f64) -> f64| points.iter().map(|x| f(x[axis])).sum::<f64>() / n;
        let mean = [0, 1].map(|i| first[i] + mean_of(i, &|v| v - first[i]));
        let sd = [0, 1].map(|i| mean_of(i, &|v| (v - mean[i]).powi(2)).sqrt());
        Scale { mean, sd }
    }

    /// To standard deviations.
    pub fn apply(&self, x: [f64; 2]) -> Point {
        [0, 1].map(|i| ((x[i] - self.mean[i]) / self.sd[i]) as f32)
    }

    /// To the person's units.
    pub fn undo(&self, u: Point) -> [f64; 2] {
        [0, 1].map(|i| self.mean[i] + self.sd[i] * f64::from(u[i]))
    }

    /// What log p in the person's units is more than in standard deviations.
    pub fn log_jacobian(&self) -> f64 {
        -self.sd[0].ln() - self.sd[1].ln()
    }

    /// A window in standard deviations.
    pub fn window(&self, window: Window) -> Window {
        let of = |i: usize, ends: [f64; 2]| ends.map(|v| (v - self.mean[i]) / self.sd[i]);
        Window { x: of(0, window.x), y: of(1, window.y) }
    }
}

/// What models learn from and are scored by.
#[derive(Clone, PartialEq, Debug)]
pub struct Data {
    /// For people.
    pub name: String,
    /// What models see.
    pub train: Points,
    /// What they never see.
    pub held_out: Points,
    /// Of the training points.
    pub scale: Scale,
    /// What was done to the points, a sentence each.
    pub notices: Vec<String>,
    /// The simulator that made them, if one did.
    pub truth: Option<Set>,
}

impl Data {
    /// Shuffles the points and holds out one in five; the same for the same seed.
    pub fn of(points: Points, name: impl Into<String>, truth: Option<Set>, seed: u64) -> Result<Data, Refusal> {
        points.checked()?;
        let mut notices = Vec::new();
        let mut places: Vec<usize> = (0..points.at.len()).collect();
        Rng::new(seed, stream::SHUFFLE).shuffle(&mut places);
        if places.len() > MOST {
            notices.push(format!("Of {} points {MOST} are used, chosen at random.", places.len()));
            places.truncate(MOST);
        }
        let (held_out, train) = places.split_at((places.len() / HELD_OUT).max(1));
        let train = points.pick(train);
        train.varied("All points that were drawn for training")?;
        let scale = Scale::of(&train.at);
        Ok(Data { name: name.into(), held_out: points.pick(held_out), train, scale, notices, truth })
    }

    /// The training points in standard deviations.
    pub fn train_std(&self) -> Vec<Point> {
        self.train.at.iter().map(|&x| self.scale.apply(x)).collect()
    }

    /// The held-out points in standard deviations.
    pub fn held_out_std(&self) -> Vec<Point> {
        self.held_out.at.iter().map(|&x| self.scale.apply(x)).collect()
    }

    /// What is shown: all points and a margin, in the person's units.
    pub fn window(&self) -> Window {
        let [x, y] = [0, 1].map(|axis| {
            let (a, b) = (self.train.range(axis), self.held_out.range(axis));
            let (from, to) = (a[0].min(b[0]), a[1].max(b[1]));
            let margin = MARGIN * (to - from);
            [from - margin, to + margin]
        });
        Window { x, y }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(at: Vec<[f64; 2]>) -> Points {
        Points { at, labels: Vec::new(), classes: Vec::new(), axes: ["width".into(), "height".into()] }
    }

    /// A cloud about `offset` that is `spread` wide.
    fn cloud(n: usize, offset: f64, spread: f64) -> Points {
        let mut e = vec![0f32; 2 * n];
        Rng::new(1, stream::DATA).fill_normal(&mut e);
        points(e.chunks(2).map(|e| [offset + spread * f64::from(e[0]), offset - spread * f64::from(e[1])]).collect())
    }

    fn why(points: Points) -> String {
        Data::of(points, "test", None, 1).unwrap_err().to_string()
    }

    #[test]
    fn standardised_points_keep_their_digits_at_every_scale() {
        for (offset, spread) in
            [(0.0, 1.0), (0.0, 1e9), (0.0, 1e-9), (1e9, 1.0), (-1e9, 1e-3), (0.0, 1e29), (0.0, 1e-20)]
        {
            let data = Data::of(cloud(500, offset, spread), "test", None, 3).unwrap();
            let u = data.train_std();
            for axis in 0..2 {
                let mean = u.iter().map(|u| f64::from(u[axis])).sum::<f64>() / u.len() as f64;
                let var = u.iter().map(|u| f64::from(u[axis]).powi(2)).sum::<f64>() / u.len() as f64;
                assert!(mean.abs() < 1e-3 && (var - 1.0).abs() < 1e-3, "{offset} {spread}: {mean} {var}");
            }
            for (x, u) in data.train.at.iter().zip(&u) {
                let back = data.scale.undo(*u);
                assert!((0..2).all(|i| (back[i] - x[i]).abs() <= 1e-6 * data.scale.sd[i] + 1e-15 * offset.abs()));
            }
            let window = data.scale.window(data.window());
            assert!(u.iter().all(|u| (window.x[0]..window.x[1]).contains(&f64::from(u[0]))));
            assert!(window.y[0] < -1.0 && window.y[1] > 1.0 && window.y[1] < 10.0);
        }
    }

    #[test]
    fn a_split_keeps_every_point_once_with_its_label() {
        let mut all = cloud(103, 0.0, 1.0);
        all.labels = (0..103).map(|i| (all.at[i][0] > 0.0).into()).collect();
        all.classes = vec!["left".into(), "right".into()];
        let data = Data::of(all.clone(), "test", None, 3).unwrap();
        assert_eq!((data.train.at.len(), data.held_out.at.len()), (83, 20));
        let both = [&data.train, &data.held_out];
        assert!(both.iter().all(|p| p.at.iter().zip(&p.labels).all(|(x, l)| (x[0] > 0.0) == (*l == 1))));
        let mut seen: Vec<_> = both.iter().flat_map(|p| p.at.clone()).collect();
        let order = |a: &[f64; 2], b: &[f64; 2]| a[0].total_cmp(&b[0]);
        seen.sort_by(order);
        all.at.sort_by(order);
        assert_eq!(seen, all.at);
        let mut again = points(all.at.clone());
        again.at.reverse();
        assert_ne!(Data::of(again, "test", None, 3).unwrap().train.at, data.train.at);
    }

    #[test]
    fn too_many_points_are_thinned() {
        let data = Data::of(cloud(12_345, 0.0, 1.0), "test", None, 3).unwrap();
        assert_eq!((data.train.at.len(), data.held_out.at.len()), (8_000, 2_000));
        assert_eq!(data.notices, ["Of 12345 points 10000 are used, chosen at random."]);
    }

    #[test]
    fn what_cannot_be_learned_is_refused_in_words() {
        assert_eq!(why(points(vec![])), "The lab needs at least 4 points; there are none.");
        assert_eq!(why(points(vec![[1.0, 2.0]])), "The lab needs at least 4 points; there is one.");
        assert!(why(points(vec![[1.0, 2.0]; 50])).contains("at the same place"));
        assert!(why(points((0..9).map(|i| [5.0, f64::from(i)]).collect())).contains("the same width"));
        assert!(why(points((0..9).map(|i| [f64::from(i), 5.0]).collect())).contains("the same height"));
        assert!(why(points(vec![[1.0, 2.0], [1.0, 3.0], [0.0, f64::NAN], [3.0, 1.0]])).starts_with("Point 3 "));
        assert!(why(points(vec![[1.0, 2.0], [1.0, f64::INFINITY], [0.0, 1.0], [3.0, 1.0]])).starts_with("Point 2 "));
        assert!(why(cloud(9, 0.0, 1e35)).contains("beyond"));
        let alone = (0..400).map(|i| [f64::from(u8::from(i == 7)), f64::from(i)]).collect::<Vec<_>>();
        let seeds = (0..40).map(|seed| Data::of(points(alone.clone()), "test", None, seed));
        assert!(seeds.filter_map(Result::err).any(|e| e.to_string().contains("drawn for training")));
        let mut labelled = cloud(9, 0.0, 1.0);
        labelled.labels = vec![0; 8];
        assert_eq!(why(labelled.clone()), "There are 8 labels for 9 points.");
        labelled.labels = vec![1; 9];
        labelled.classes = vec!["only".into()];
        assert!(why(labelled).contains("none of the classes"));
    }
}
