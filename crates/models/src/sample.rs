//! What all families share in drawing samples: the job, what is seen of it on the way, and how it ends.

use crate::control::{Refused, Settings};
use crate::registry::Label;
use data::rng::{Rng, stream};
use graph::{Load, Program, Run};
use std::ops::{ControlFlow, Range};

/// What is to be drawn.
#[derive(Clone, Copy, Debug)]
pub struct Draw<'a> {
    /// Seed of all noise.
    pub seed: u64,
    /// Number of the first picture drawn here: picture i has the same noise whatever is drawn with it.
    pub first: usize,
    /// How many are drawn here, at most the batch of the sampler.
    pub count: usize,
    /// Pictures of the whole job: a walk ends at the last one.
    pub n: usize,
    /// The numbers of the labels of each picture drawn here, (count, A); one past a label's last value for none.
    pub labels: &'a [f32],
    /// Values of the model's controls.
    pub settings: &'a Settings,
}

impl Frame<'_> {
    /// Before the first step: nothing is drawn yet.
    pub(crate) const START: Frame<'static> = Frame { step: 0, steps: 1, images: &[], predicted: None };
}

impl Draw<'_> {
    /// Where picture `i` of those drawn here is on a walk through the whole job, from 0 at the first to 1 at the last.
    pub fn along(&self, i: usize) -> f32 {
        if self.n > 1 { (self.first + i) as f32 / (self.n - 1) as f32 } else { 0.0 }
    }
}

/// The numbers of the labels of `pictures`, (pictures, A): as the settings say by the labels' names, drawn for each picture
/// from those that are offered where they say [`RANDOM`](crate::control::RANDOM), and none where they say nothing.
pub fn labels(settings: &Settings, labels: &[Label], seed: u64, pictures: Range<usize>) -> Vec<f32> {
    let number = |picture: usize, a: usize, label: &Label| {
        if let Some(number) = settings.count(&label.name) {
            return number as f32;
        }
        if settings.choice(&label.name) != crate::control::RANDOM {
            return label.values.len() as f32;
        }
        let mut u = [0f32];
        Rng::new(seed, stream::LABELS).skip((picture * labels.len() + a) as u64).fill_uniform(&mut u);
        let among = if label.offered.is_empty() { label.values.len() } else { label.offered.len() };
        let at = (u[0] * among as f32) as usize;
        label.offered.get(at).map_or(at, |&number| number) as f32
    };
    pictures.flat_map(|picture| labels.iter().enumerate().map(move |(a, label)| number(picture, a, label))).collect()
}

/// What is seen of pictures on their way.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Finished steps.
    pub step: usize,
    /// Of how many.
    pub steps: usize,
    /// The pictures as they are, (count, C, S, S) in \[0, 1\].
    pub images: &'a [f32],
    /// What the model takes them for in the end, of the same shape.
    pub predicted: Option<&'a [f32]>,
}

/// Why drawing ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    /// The engine failed.
    #[error(transparent)]
    Device(#[from] E),
    /// Somebody asked for it.
    #[error("Drawing was stopped.")]
    Stopped,
    /// The controls contradict each other.
    #[error("{}", .0.0)]
    Setting(Refused),
}

/// Shows a frame and hears whether to stop.
pub(crate) async fn show<E>(
    watch: &mut impl AsyncFnMut(Frame<'_>) -> ControlFlow<()>,
    frame: Frame<'_>,
) -> Result<(), Error<E>> {
    match watch(frame).await {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Stopped),
    }
}

/// The Program in that place, loaded if it is not there yet.
pub(crate) async fn loaded<'a, R: Run>(
    place: &'a mut Option<R>,
    host: &impl Load<Run = R>,
    program: impl FnOnce() -> Program,
) -> Result<&'a mut R, R::Error> {
    let run = match place.take() {
        Some(run) => run,
        None => host.load(&program()).await?,
    };
    Ok(place.insert(run))
}

/// Values, and zeros after them: what a batch has room for where fewer pictures are drawn.
pub(crate) fn padded(values: &[f32], len: usize) -> Vec<f32> {
    let mut all = values.to_vec();
    all.resize(len, 0.0);
    all
}

/// Root of the mean square of the differences between two pictures.
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    (squares.sum::<f64>() / a.len().max(1) as f64).sqrt()
}

/// The point at `t` in \[0, 1\] of the great arc from `a` to `b` (Shoemake 1985): between two draws of normal noise it is
/// about as long as they are, where a straight line is too short.
pub fn slerp(a: &[f32], b: &[f32], t: f32) -> Vec<f32> {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f64::MIN_POSITIVE);
    let (angle, t) = (cosine.clamp(-1.0, 1.0).acos(), f64::from(t));
    let (from, to) = if angle.sin().abs() < 1e-6 {
        (1.0 - t, t)
    } else {
        (((1.0 - t) * angle).sin() / angle.sin(), (t * angle).sin() / angle.sin())
    };
    a.iter().zip(b).map(|(a, b)| (from * f64::from(*a) + to * f64::from(*b)) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Control, Kind};

    #[test]
    fn labels_are_given_drawn_or_none() {
        let values: Vec<String> = (0..10).map(|v| v.to_string()).collect();
        let label = |(name, offered): (&str, Vec<usize>)| Label { name: name.into(), values: values.clone(), offered };
        let all = [("class", vec![]), ("head", vec![]), ("body", vec![]), ("glasses", vec![8, 2])].map(label);
        let control = |l: &Label| Control::new(&l.name, ".", Kind::Label { values: values.clone() });
        let controls: Vec<Control> = all.iter().map(control).collect();
        let given = serde_json::from_str(r#"{"class": "3", "head": "random", "glasses": "random"}"#).unwrap();
        let settings = Settings::new(&controls, [1, 2, 2], given).unwrap();
        let drawn = labels(&settings, &all, 7, 0..200);
        assert!(drawn.chunks(4).all(|l| l[0] == 3.0 && (0.0..10.0).contains(&l[1]) && l[2] == 10.0));
        let seen = |a: usize| drawn.chunks(4).map(|l| l[a] as u32).collect::<std::collections::BTreeSet<_>>();
        assert_eq!((seen(1).len(), seen(3).into_iter().collect::<Vec<_>>()), (10, vec![2, 8]));
        assert_eq!(labels(&settings, &all, 7, 50..60), drawn[200..240], "whatever is drawn with them");
    }

    #[test]
    fn a_distance_is_that_of_a_value() {
        assert_eq!(distance(&[0.0, 0.5, 1.0, 1.0], &[0.0, 0.5, 0.0, 0.0]), 0.5f64.sqrt());
        assert_eq!((distance(&[0.25; 3], &[0.75; 3]), distance(&[], &[])), (0.5, 0.0));
    }

    #[test]
    fn an_arc_keeps_its_length_and_its_ends() {
        let (a, b) = ([1.0, 0.0], [0.0, 1.0]);
        assert_eq!((slerp(&a, &b, 0.0), slerp(&a, &b, 1.0)[1]), (vec![1.0, 0.0], 1.0));
        let half = slerp(&a, &b, 0.5);
        assert!(half.iter().all(|v| (v - 0.5f32.sqrt()).abs() < 1e-6));
        assert_eq!(slerp(&a, &a, 0.3), a);
        assert_eq!(slerp(&a, &[0.0, 0.0], 0.0), a);
    }
}
