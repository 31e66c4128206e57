//! The density of x = G(z), z ~ N(0, I), where both have two dimensions: G is taken at the points of a mesh over latent
//! space and as linear within each of its triangles. A triangle carries the prior's mass to its image, so that
//!     p(x) = sum over the triangles T whose image covers x of N(z_T(x); 0, I) |T| / |G(T)|,
//! with z_T(x) the point of T that is drawn as x: the change of variables, summed over all branches of the inverse, since
//! a map that folds has several. It is the exact density of the linear pieces: for a linear G that of G, for a smooth
//! one off by the order of the mesh's width at a point, and of its square in the mean over a triangle.
//!
//! For a square W, |det W| = sqrt(det W^T W): the volume by which inversion finds a density on a generator's sheet.

use libm::erf;
use std::f64::consts::{SQRT_2, TAU};

/// Rows into which the images are sorted, so that a question looks at few triangles.
const ROWS: usize = 128;
/// A triangle whose height is below this share of its longest side is flat: its area is a matter of rounding.
const FLAT: f64 = 1e-6;

/// Into so many pieces a side a triangle is taken for each cell that it is long, and at most.
const PARTS_A_CELL: f64 = 2.0;
const MOST_PARTS: usize = 64;

/// Why there is no density.
#[derive(Clone, Copy, PartialEq, Debug, thiserror::Error)]
pub enum Error {
    /// A mesh of no triangle, or of no size.
    #[error("a mesh needs at least one cell a side and a reach above 0")]
    Mesh,
    /// Too few points, or too many.
    #[error("the mesh has {expected} points, and {got} images came")]
    Images {
        /// Points of the mesh.
        expected: usize,
        /// Images that came.
        got: usize,
    },
    /// G is not a number somewhere.
    #[error("the image of z = ({:.3}, {:.3}) is not a number; no density is shown", .0[0], .0[1])]
    NotANumber([f64; 2]),
    /// Every image has the area 0.
    #[error("everything is drawn onto a line or a point, where there is no density in the plane")]
    Flat,
}

/// A mesh over the square from -reach to reach in both latents.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Mesh {
    reach: f64,
    cells: usize,
}

impl Mesh {
    /// `cells` cells a side, each of two triangles.
    pub fn new(reach: f64, cells: usize) -> Result<Mesh, Error> {
        let good = reach.is_finite() && reach > 0.0 && cells > 0;
        if good { Ok(Mesh { reach, cells }) } else { Err(Error::Mesh) }
    }

    /// Its points, (cells + 1)^2, row after row: the first latent changes fastest.
    pub fn points(&self) -> Vec<[f64; 2]> {
        let n = self.cells + 1;
        let at = |i: usize| self.reach * (2.0 * i as f64 / self.cells as f64 - 1.0);
        (0..n * n).map(|i| [at(i % n), at(i / n)]).collect()
    }

    /// Share of the prior's mass over the square.
    pub fn covered(&self) -> f64 {
        erf(self.reach / SQRT_2).powi(2)
    }

    /// The numbers of the points of each triangle. The diagonals alternate, so that the mesh favours no direction.
    fn triangles(&self) -> impl Iterator<Item = [usize; 3]> {
        let (cells, n) = (self.cells, self.cells + 1);
        (0..cells * cells).flat_map(move |cell| {
            let a = cell / cells * n + cell % cells;
            let [b, c, d] = [a + 1, a + n, a + n + 1];
            if (cell % cells + cell / cells).is_multiple_of(2) {
                [[a, b, d], [a, d, c]]
            } else {
                [[a, b, c], [b, d, c]]
            }
        })
    }
}

/// A triangle and its image.
#[derive(Clone, Debug)]
struct Triangle {
    /// Numbers of its points.
    corners: [usize; 3],
    z: [[f64; 2]; 3],
    x: [[f64; 2]; 3],
}

impl Triangle {
    fn longest_side(&self) -> f64 {
        (0..3).map(|i| distance(self.x[i], self.x[(i + 1) % 3])).fold(0.0, f64::max)
    }

    /// Whether its image is a line or a point.
    fn is_flat(&self) -> bool {
        let side = self.longest_side();
        area(self.x).abs() <= 0.5 * FLAT * side * side
    }

    /// Prior density at the middle times area.
    fn mass(&self) -> f64 {
        let middle = [0, 1].map(|axis| self.z.iter().map(|z| z[axis]).sum::<f64>() / 3.0);
        area(self.z).abs() * prior(middle)
    }

    /// Whether its image covers x. Of two neighbours that do not overlap, just one covers a point of their common side:
    /// both see the side in the same direction, and a point on it is on its left.
    fn covers(&self, x: [f64; 2]) -> bool {
        let left = area(self.x) > 0.0;
        (0..3).all(|i| {
            let (from, to) = (i, (i + 1) % 3);
            let forwards = self.corners[from] < self.corners[to];
            let (a, b) = if forwards { (self.x[from], self.x[to]) } else { (self.x[to], self.x[from]) };
            (area([a, b, x]) >= 0.0) == (forwards == left)
        })
    }

    /// N(z(x); 0, I) |T| / |G(T)|.
    fn density(&self, x: [f64; 2]) -> f64 {
        let whole = area(self.x);
        let part = |i: usize| area([self.x[(i + 1) % 3], self.x[(i + 2) % 3], x]) / whole;
        let z = [0, 1].map(|axis| (0..3).map(|i| part(i) * self.z[i][axis]).sum());
        prior(z) * (area(self.z) / whole).abs()
    }

    /// Whether x lies on a flat image.
    fn holds(&self, x: [f64; 2]) -> bool {
        (0..3).any(|i| {
            let (a, b) = (self.x[i], self.x[(i + 1) % 3]);
            let detour = distance(a, x) + distance(x, b) - distance(a, b);
            detour <= FLAT * FLAT * distance(a, b)
        })
    }
}

/// The density of a map's images.
#[derive(Clone, Debug)]
pub struct Pushforward {
    triangles: Vec<Triangle>,
    flat: Vec<Triangle>,
    /// Numbers of the triangles that reach into each row of x, from `bottom` up, `height` each.
    rows: Vec<Vec<usize>>,
    bottom: f64,
    height: f64,
    covered: f64,
    collapsed: f64,
}

impl Pushforward {
    /// Of a map, asked at each point of the mesh.
    pub fn of(mesh: Mesh, mut map: impl FnMut([f64; 2]) -> [f64; 2]) -> Result<Pushforward, Error> {
        let images: Vec<[f64; 2]> = mesh.points().into_iter().map(&mut map).collect();
        Pushforward::from_images(mesh, &images)
    }

    /// Of the images of [`Mesh::points`].
    pub fn from_images(mesh: Mesh, images: &[[f64; 2]]) -> Result<Pushforward, Error> {
        let points = mesh.points();
        if images.len() != points.len() {
            return Err(Error::Images { expected: points.len(), got: images.len() });
        }
        if let Some(i) = images.iter().position(|x| !x.iter().all(|v| v.is_finite())) {
            return Err(Error::NotANumber(points[i]));
        }
        let triangle =
            |corners: [usize; 3]| Triangle { corners, z: corners.map(|i| points[i]), x: corners.map(|i| images[i]) };
        let (flat, triangles): (Vec<_>, Vec<_>) = mesh.triangles().map(triangle).partition(Triangle::is_flat);
        if triangles.is_empty() {
            return Err(Error::Flat);
        }
        let heights = || triangles.iter().flat_map(|t| t.x.map(|x| x[1]));
        let (bottom, top) = (heights().fold(f64::INFINITY, f64::min), heights().fold(f64::NEG_INFINITY, f64::max));
        let height = (top - bottom) / ROWS as f64;
        let mut rows = vec![Vec::new(); ROWS];
        for (number, t) in triangles.iter().enumerate() {
            let ys = t.x.map(|x| x[1]);
            let [from, to] = [ys.iter().copied().fold(top, f64::min), ys.iter().copied().fold(bottom, f64::max)]
                .map(|y| row(y, bottom, height));
            rows[from..=to].iter_mut().for_each(|row| row.push(number));
        }
        let collapsed = flat.iter().map(Triangle::mass).sum();
        Ok(Pushforward { triangles, flat, rows, bottom, height, covered: mesh.covered(), collapsed })
    }

    /// log p(x) in nats. Minus infinity where the mesh draws nothing: outside of its images, which says nothing of what
    /// the prior's mass beyond the mesh draws there (see [`Pushforward::covered`]). Infinity on a line or point onto which
    /// G draws a whole triangle: some mass is there, on no area (see [`Pushforward::collapsed`]). NaN for an x that is not
    /// a number.
    pub fn log_density(&self, x: [f64; 2]) -> f64 {
        if x.iter().any(|v| v.is_nan()) {
            return f64::NAN;
        }
        if self.flat.iter().any(|t| t.holds(x)) {
            return f64::INFINITY;
        }
        let here = self.rows[row(x[1], self.bottom, self.height)].iter().map(|&number| &self.triangles[number]);
        here.filter(|t| t.covers(x)).map(|t| t.density(x)).sum::<f64>().ln()
    }

    /// The mean of p over each of the n x n cells of a window, from and to of both coordinates, rows from below. Triangles are
    /// taken apart until they are smaller than a cell, and each part gives its mass to the four nearest cells. Lines and
    /// points onto which G draws a triangle are left out.
    pub fn cells(&self, window: [[f64; 2]; 2], n: usize) -> Vec<f64> {
        let mut p = vec![0.0; n * n];
        let size = window.map(|[from, to]| (to - from) / n as f64);
        // In cells, from the middle of the first one.
        let place = |x: [f64; 2]| [0, 1].map(|axis| (x[axis] - window[axis][0]) / size[axis] - 0.5);
        for t in &self.triangles {
            let corners = t.x.map(place);
            if (0..2).any(|axis| corners.iter().all(|x| x[axis] < -1.0) || corners.iter().all(|x| x[axis] > n as f64)) {
                continue;
            }
            let side = (0..3).map(|i| distance(corners[i], corners[(i + 1) % 3])).fold(0.0, f64::max);
            let parts = ((side * PARTS_A_CELL).ceil() as usize).clamp(1, MOST_PARTS);
            let mass = area(t.z).abs() / (parts * parts) as f64 / (size[0] * size[1]);
            for share in middles(parts) {
                let [z, x] = [t.z, corners].map(|of| [0, 1].map(|axis| (0..3).map(|i| share[i] * of[i][axis]).sum()));
                give(&mut p, n, x, mass * prior(z));
            }
        }
        p
    }

    /// Share of the prior's mass over the mesh: what the density adds up to, but for what collapsed.
    pub fn covered(&self) -> f64 {
        self.covered
    }

    /// Share of the prior's mass that is drawn onto lines and points, where it has no density.
    pub fn collapsed(&self) -> f64 {
        self.collapsed
    }
}

/// Which of the rows has this height; the nearest one outside of them.
fn row(y: f64, bottom: f64, height: f64) -> usize {
    (((y - bottom) / height).max(0.0) as usize).min(ROWS - 1)
}

/// Middles of the n^2 alike triangles that a triangle falls into, as shares of its corners.
fn middles(n: usize) -> impl Iterator<Item = [f64; 3]> {
    let at = move |a: usize, b: usize, third: f64| {
        let [a, b] = [a, b].map(|v| (v as f64 + third) / n as f64);
        [a, b, 1.0 - a - b]
    };
    let upright = (0..n).flat_map(move |a| (0..n - a).map(move |b| at(a, b, 1.0 / 3.0)));
    let turned = (0..n - 1).flat_map(move |a| (0..n - 1 - a).map(move |b| at(a, b, 2.0 / 3.0)));
    upright.chain(turned)
}

/// Adds a value to the four cells of n x n nearest to a place, by its distances from their middles.
fn give(cells: &mut [f64], n: usize, place: [f64; 2], value: f64) {
    let low = place.map(f64::floor);
    for (dx, dy) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
        let (column, row) = (low[0] + dx, low[1] + dy);
        let inside = |v: f64| (0.0..n as f64).contains(&v);
        if inside(column) && inside(row) {
            let share = (1.0 - (place[0] - column).abs()) * (1.0 - (place[1] - row).abs());
            cells[row as usize * n + column as usize] += share * value;
        }
    }
}

/// N(z; 0, I).
fn prior(z: [f64; 2]) -> f64 {
    (-0.5 * (z[0] * z[0] + z[1] * z[1])).exp() / TAU
}

/// Area of a triangle, above 0 where its corners turn left.
fn area([a, b, c]: [[f64; 2]; 3]) -> f64 {
    0.5 * ((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]))
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mesh(reach: f64, cells: usize) -> Mesh {
        Mesh::new(reach, cells).unwrap()
    }

    /// Sum of p over a grid of middles of squares.
    fn integral(p: &Pushforward, [from, to]: [[f64; 2]; 2], n: usize) -> f64 {
        let [w, h] = [0, 1].map(|axis| (to[axis] - from[axis]) / n as f64);
        let at = |i: usize| [from[0] + w * ((i % n) as f64 + 0.5), from[1] + h * ((i / n) as f64 + 0.5)];
        (0..n * n).map(|i| p.log_density(at(i)).exp()).sum::<f64>() * w * h
    }

    /// log N(z) - log|det W|, and the same by the volume of the sheet, log N(z) - 1/2 log det(W^T W), also for a W that
    /// turns the plane over.
    #[test]
    fn a_linear_map_has_the_density_of_the_textbook() {
        for w in [[1.5, -0.4, 0.3, 0.8], [0.2, 1.1, 0.9, 0.1]] {
            let draw = |z: [f64; 2]| [w[0] * z[0] + w[1] * z[1] + 2.0, w[2] * z[0] + w[3] * z[1] - 1.0];
            let p = Pushforward::of(mesh(6.0, 24), draw).unwrap();
            let gram = |i: usize, j: usize| w[i] * w[j] + w[i + 2] * w[j + 2];
            let volume: f64 = gram(0, 0) * gram(1, 1) - gram(0, 1).powi(2);
            let log_det = f64::abs(w[0] * w[3] - w[1] * w[2]).ln();
            assert!((0.5 * volume.ln() - log_det).abs() < 1e-12);
            for z in [[0.0, 0.0], [0.3, -1.7], [2.1, 2.2], [-3.03, 0.51], [0.5, 0.5]] {
                let truth = -0.5 * (z[0] * z[0] + z[1] * z[1]) - TAU.ln() - 0.5 * volume.ln();
                let found = p.log_density(draw(z));
                assert!((found - truth).abs() < 1e-9, "{w:?} {z:?}: {found} {truth}");
            }
            assert_eq!(p.log_density([1e3, 0.0]), f64::NEG_INFINITY);
            assert!(p.log_density([f64::NAN, 0.0]).is_nan());
            assert!((p.covered() - 1.0).abs() < 1e-8 && p.collapsed() == 0.0);
        }
        let narrow = Pushforward::of(mesh(1.0, 4), |z| z).unwrap();
        assert!((narrow.covered() - 0.682_689_492_137_086f64.powi(2)).abs() < 1e-12);
    }

    /// x = (z1^2, z2): both branches, +sqrt(x1) and -sqrt(x1), are drawn onto x. Over a mesh of width h the slope of the
    /// linear pieces is off by h at most, which is h / (2 sqrt(x1)) of it.
    #[test]
    fn a_fold_has_the_sum_of_its_branches() {
        const H: f64 = 12.0 / 400.0;
        let p = Pushforward::of(mesh(6.0, 400), |z| [z[0] * z[0], z[1]]).unwrap();
        for x in [[0.5, 0.2], [1.7, -1.1], [4.03, 0.77]] {
            let truth = (2.0 * prior([f64::sqrt(x[0]), x[1]]) / (2.0 * f64::sqrt(x[0]))).ln();
            let found = p.log_density(x);
            assert!((found - truth).abs() < H / (2.0 * f64::sqrt(x[0])), "{x:?}: {found} {truth}");
        }
        assert_eq!(p.log_density([-0.1, 0.0]), f64::NEG_INFINITY);
        // Branches that are not alike: z1 + z1^2 / 2 folds at -1.
        let p = Pushforward::of(mesh(6.0, 400), |z| [z[0] + 0.5 * z[0] * z[0], z[1]]).unwrap();
        let root = 3f64.sqrt(); // of 1 + 2 x1, the slope at both branches
        let truth = ((prior([root - 1.0, 0.3]) + prior([-root - 1.0, 0.3])) / root).ln();
        assert!((p.log_density([1.0, 0.3]) - truth).abs() < 0.5 * H / root);
    }

    #[test]
    fn a_bent_map_integrates_to_one() {
        let bent = |z: [f64; 2]| [z[0] + 0.5 * z[1].sin(), z[1] + 0.3 * z[0] * z[0]];
        let p = Pushforward::of(mesh(5.0, 100), bent).unwrap();
        let whole = integral(&p, [[-6.0, -5.5], [6.0, 13.0]], 400);
        assert!((whole - 1.0).abs() < 0.01, "{whole}");
        // A finer mesh is nearer to N(z) / |det J|, at a point with one branch.
        let z: [f64; 2] = [0.37, -0.81];
        let truth = (prior(z) / (1.0 - 0.3 * z[0] * z[1].cos()).abs()).ln();
        let error = |cells| (Pushforward::of(mesh(5.0, cells), bent).unwrap().log_density(bent(z)) - truth).abs();
        assert!(error(200) < 1e-3 && error(200) < error(20), "{} {}", error(20), error(200));
    }

    /// Where p changes little over a cell, its mean is p at the middle; all together they are the mass of the prior.
    #[test]
    fn cells_hold_the_mass_and_the_mean() {
        let n = 60;
        let p = Pushforward::of(mesh(5.0, 40), |z| [z[0] + 0.4 * z[1] * z[1], z[1] - 0.5 * z[0]]).unwrap();
        let cells = p.cells([[-8.0, 22.0], [-9.0, 9.0]], n);
        let mass = cells.iter().sum::<f64>() * 30.0 * 18.0 / (n * n) as f64;
        assert!((mass - p.covered()).abs() < 1e-4, "{mass}");
        let far = p.cells([[50.0, 51.0], [0.0, 1.0]], 4);
        assert_eq!(far, [0.0; 16]);
        let fine = p.cells([[0.4, 0.6], [0.1, 0.3]], 8);
        let middle = p.log_density([0.5125, 0.2125]).exp();
        assert!((fine[4 * 8 + 4] / middle - 1.0).abs() < 0.02, "{} {middle}", fine[36]);
        // A triangle's pieces are all of it.
        for n in [1, 2, 5] {
            let all: Vec<[f64; 3]> = middles(n).collect();
            assert_eq!(all.len(), n * n);
            let sum = [0, 1, 2].map(|i| all.iter().map(|share| share[i]).sum::<f64>() / (n * n) as f64);
            assert!(sum.iter().all(|s| (s - 1.0 / 3.0).abs() < 1e-12) && all.iter().flatten().all(|s| *s > 0.0));
        }
    }

    /// On a common side and at a common corner no triangle is counted twice and none is forgotten.
    #[test]
    fn points_on_sides_are_counted_once() {
        let p = Pushforward::of(mesh(2.0, 4), |z| z).unwrap();
        for x in [[0.0, 0.0], [1.0, -1.0], [0.5, 0.5], [0.5, 0.0], [-0.25, 0.25], [1.0, 0.3]] {
            assert!((p.log_density(x) - prior(x).ln()).abs() < 1e-12, "{x:?}");
        }
    }

    #[test]
    fn what_has_no_density_is_said() {
        assert_eq!(Mesh::new(0.0, 3), Err(Error::Mesh));
        assert_eq!(Mesh::new(f64::NAN, 3), Err(Error::Mesh));
        assert_eq!(Mesh::new(1.0, 0), Err(Error::Mesh));
        let refused = |map: fn([f64; 2]) -> [f64; 2]| Pushforward::of(mesh(3.0, 6), map).unwrap_err();
        assert_eq!(refused(|z| [z[0], 2.0 * z[0]]), Error::Flat);
        assert_eq!(refused(|_| [0.7, 0.7]), Error::Flat);
        assert_eq!(refused(|z| [z[0].ln(), z[1]]), Error::NotANumber([-3.0, -3.0]));
        let short = Pushforward::from_images(mesh(3.0, 1), &[[0.0, 0.0]; 3]).unwrap_err();
        assert_eq!(short, Error::Images { expected: 4, got: 3 });
        // Half of the prior falls onto the line x1 = 0, as behind a ReLU; the other half has a density.
        let half = Pushforward::of(mesh(4.0, 80), |z| [z[0].max(0.0), z[1]]).unwrap();
        assert!((half.collapsed() - 0.5).abs() < 1e-3, "{}", half.collapsed());
        assert_eq!(half.log_density([0.0, 0.4]), f64::INFINITY);
        assert!((half.log_density([1.0, 0.4]) - prior([1.0, 0.4]).ln()).abs() < 1e-9);
    }
}
