//! Index arithmetic: sums of variables, quotients and remainders by constants, simplified as they are built.
//!
//! Chains of reshape, permute, slice and so on become index expressions of the kernel that reads through them. The
//! normal form is what lets the planner prove that a kernel reads an element only at the place it writes.

use std::fmt::{self, Write};

/// A variable of a kernel: its name in WGSL, and how many values it takes, from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) struct Var {
    pub(super) name: &'static str,
    pub(super) size: usize,
}

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
enum Atom {
    Var(Var),
    /// The index that a step of the shader computes, and how many values it takes.
    Step(usize, usize),
    Div(Box<Ix>, i64),
    Rem(Box<Ix>, i64),
}

/// offset + sum of coefficient * atom, with sorted atoms and no coefficient of 0: equal forms are equal functions.
///
/// Values may be negative (outside a padded tensor). Such a value is wrapped in the shader and never used, so the
/// rules need to hold only where the whole expression is not negative.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub(super) struct Ix {
    terms: Vec<(Atom, i64)>,
    offset: i64,
}

impl Ix {
    /// A variable of one value is 0.
    pub(super) fn var(name: &'static str, size: usize) -> Ix {
        if size <= 1 { Ix::default() } else { Ix::atom(Atom::Var(Var { name, size })) }
    }

    /// The index that step `at` of the expression computes: it takes `size` values, from 0.
    pub(super) fn step(at: usize, size: usize) -> Ix {
        Ix::atom(Atom::Step(at, size))
    }

    /// Whether the variable of that name occurs.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.terms.iter().any(|(atom, _)| match atom {
            Atom::Var(v) => v.name == name,
            Atom::Step(..) => false,
            Atom::Div(x, _) | Atom::Rem(x, _) => x.mentions(name),
        })
    }

    fn atom(atom: Atom) -> Ix {
        Ix { terms: vec![(atom, 1)], offset: 0 }
    }

    /// Smallest and largest value.
    pub(super) fn range(&self) -> (i64, i64) {
        self.terms.iter().fold((self.offset, self.offset), |(lo, hi), (atom, c)| {
            let (a, b) = atom.range();
            (lo + (a * c).min(b * c), hi + (a * c).max(b * c))
        })
    }

    pub(super) fn plus(&self, k: i64) -> Ix {
        Ix { terms: self.terms.clone(), offset: self.offset + k }
    }

    pub(super) fn times(&self, k: i64) -> Ix {
        if k == 0 {
            return Ix::default();
        }
        Ix { terms: self.terms.iter().map(|(a, c)| (a.clone(), c * k)).collect(), offset: self.offset * k }
    }

    pub(super) fn add(&self, other: &Ix) -> Ix {
        self.sum(other).recombined()
    }

    fn sum(&self, other: &Ix) -> Ix {
        let mut terms = self.terms.clone();
        for (atom, c) in &other.terms {
            match terms.binary_search_by(|(a, _)| a.cmp(atom)) {
                Ok(at) => terms[at].1 += c,
                Err(at) => terms.insert(at, (atom.clone(), *c)),
            }
        }
        terms.retain(|(_, c)| *c != 0);
        Ix { terms, offset: self.offset + other.offset }
    }

    /// a (y mod m) + a m (y div m) = a y: what undoes a reshape.
    fn recombined(self) -> Ix {
        for (atom, a) in &self.terms {
            let Atom::Rem(y, m) = atom else { continue };
            let whole = y.div(*m).times(a * m);
            let present = !whole.terms.is_empty() && whole.terms.iter().all(|t| self.terms.contains(t));
            if present {
                let part = Ix { terms: vec![(atom.clone(), *a)], offset: 0 };
                return self.sum(&part.times(-1)).sum(&whole.times(-1)).sum(&y.times(*a)).recombined();
            }
        }
        self
    }

    /// (g, high, low) with self = g high + low, 0 <= low < g, and g > 1 a divisor of d.
    fn digits(&self, d: i64) -> Option<(i64, Ix, Ix)> {
        let mut divisors: Vec<i64> = self.terms.iter().map(|(_, c)| gcd(c.abs(), d)).filter(|&g| g > 1).collect();
        divisors.sort_unstable();
        divisors.into_iter().rev().find_map(|g| {
            let (high, low): (Vec<_>, Vec<_>) = self.terms.iter().cloned().partition(|(_, c)| c % g == 0);
            let low = Ix { terms: low, offset: self.offset.rem_euclid(g) };
            let (least, most) = low.range();
            let terms = high.into_iter().map(|(a, c)| (a, c / g)).collect();
            (least >= 0 && most < g).then(|| (g, Ix { terms, offset: self.offset.div_euclid(g) }, low))
        })
    }

    /// Quotient by a positive constant.
    pub(super) fn div(&self, d: i64) -> Ix {
        let (lo, hi) = self.range();
        if d == 1 {
            return self.clone();
        }
        if lo >= 0 && hi < d {
            return Ix::default();
        }
        let (whole, rest): (Vec<_>, Vec<_>) = self.terms.iter().cloned().partition(|(_, c)| c % d == 0);
        let rest = Ix { terms: rest, offset: self.offset.rem_euclid(d) };
        if rest.range().0 < 0 {
            return Ix::atom(Atom::Div(Box::new(self.clone()), d));
        }
        let terms = whole.into_iter().map(|(a, c)| (a, c / d)).collect();
        let whole = Ix { terms, offset: self.offset.div_euclid(d) };
        whole.add(&rest.quotient(d))
    }

    /// `div` of an expression that is never negative and has no multiple of d in it.
    fn quotient(self, d: i64) -> Ix {
        if self.range().1 < d {
            return Ix::default();
        }
        if let Some((g, high, _)) = self.digits(d) {
            return high.div(d / g);
        }
        match self.terms.as_slice() {
            [(Atom::Div(x, e), 1)] if self.offset == 0 => x.div(e * d),
            [(Atom::Rem(x, m), 1)] if self.offset == 0 && m % d == 0 => x.div(d).rem(m / d),
            _ => Ix::atom(Atom::Div(Box::new(self), d)),
        }
    }

    /// Remainder by a positive constant.
    pub(super) fn rem(&self, m: i64) -> Ix {
        let (lo, hi) = self.range();
        if m == 1 {
            return Ix::default();
        }
        if lo >= 0 && hi < m {
            return self.clone();
        }
        let rest: Vec<_> = self.terms.iter().filter(|(_, c)| c % m != 0).cloned().collect();
        let rest = Ix { terms: rest, offset: self.offset.rem_euclid(m) };
        let (lo, hi) = rest.range();
        if lo < 0 {
            return Ix::atom(Atom::Rem(Box::new(self.clone()), m));
        }
        if hi < m {
            return rest;
        }
        if let Some((g, high, low)) = rest.digits(m) {
            return high.rem(m / g).times(g).add(&low);
        }
        match rest.terms.as_slice() {
            [(Atom::Rem(x, n), 1)] if rest.offset == 0 && n % m == 0 => x.rem(m),
            _ => Ix::atom(Atom::Rem(Box::new(rest), m)),
        }
    }

    /// How many divisions and remainders an evaluation takes.
    #[cfg(test)]
    fn divisions(&self) -> usize {
        let one = |a: &Atom| match a {
            Atom::Var(_) | Atom::Step(..) => 0,
            Atom::Div(x, _) | Atom::Rem(x, _) => 1 + x.divisions(),
        };
        self.terms.iter().map(|(a, _)| one(a)).sum()
    }

    #[cfg(test)]
    fn eval(&self, value: &dyn Fn(&'static str) -> i64) -> i64 {
        let one = |a: &Atom| match a {
            Atom::Var(v) => value(v.name),
            Atom::Step(..) => unreachable!("no test has one"),
            Atom::Div(x, d) => x.eval(value).div_euclid(*d),
            Atom::Rem(x, m) => x.eval(value).rem_euclid(*m),
        };
        self.offset + self.terms.iter().map(|(a, c)| c * one(a)).sum::<i64>()
    }
}

impl Atom {
    fn range(&self) -> (i64, i64) {
        match self {
            Atom::Var(v) => (0, v.size as i64 - 1),
            Atom::Step(_, size) => (0, *size as i64 - 1),
            Atom::Div(x, d) => {
                let (lo, hi) = x.range();
                (lo.div_euclid(*d), hi.div_euclid(*d))
            }
            Atom::Rem(_, m) => (0, m - 1),
        }
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A u32 expression of WGSL. Subtractions come last, so that what is in range never wraps on the way.
impl fmt::Display for Ix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for (atom, c) in self.terms.iter().filter(|t| t.1 > 0) {
            let join = if text.is_empty() { "" } else { " + " };
            write!(text, "{join}{}", Product(atom, *c))?;
        }
        if self.offset > 0 || text.is_empty() {
            let join = if text.is_empty() { "" } else { " + " };
            write!(text, "{join}{}u", self.offset.max(0))?;
        }
        for (atom, c) in self.terms.iter().filter(|t| t.1 < 0) {
            write!(text, " - {}", Product(atom, -c))?;
        }
        if self.offset < 0 {
            write!(text, " - {}u", -self.offset)?;
        }
        f.write_str(&text)
    }
}

struct Product<'a>(&'a Atom, i64);

impl fmt::Display for Product<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Atom::Var(v) => write!(f, "{}", v.name),
            Atom::Step(at, _) => write!(f, "v{at}"),
            Atom::Div(x, d) => write!(f, "({x}) / {d}u"),
            Atom::Rem(x, m) => write!(f, "({x}) % {m}u"),
        }?;
        if self.1 == 1 { Ok(()) } else { write!(f, " * {}u", self.1) }
    }
}

/// Where a kernel reads or writes a tensor: as a row-major position, or axis by axis. Each is made from the other
/// only where an operation asks for it, so that a chain of pointwise operations costs no division.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Index {
    Flat(Ix),
    Axes(Vec<Ix>),
}

impl Index {
    pub(super) fn flat(&self, shape: &[usize]) -> Ix {
        match self {
            Index::Flat(ix) => ix.clone(),
            Index::Axes(axes) => {
                let mut stride = 1;
                axes.iter().zip(shape).rev().fold(Ix::default(), |sum, (ix, &n)| {
                    let term = ix.times(stride);
                    stride *= n as i64;
                    sum.add(&term)
                })
            }
        }
    }

    pub(super) fn axes(&self, shape: &[usize]) -> Vec<Ix> {
        match self {
            Index::Axes(axes) => axes.clone(),
            Index::Flat(ix) => {
                let mut stride = 1;
                let mut axes: Vec<Ix> = shape
                    .iter()
                    .rev()
                    .map(|&n| {
                        let axis = ix.div(stride).rem(n as i64);
                        stride *= n as i64;
                        axis
                    })
                    .collect();
                axes.reverse();
                axes
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reshape_there_and_back_costs_nothing() {
        let i = Ix::var("i", 60);
        let there = Index::Flat(i.clone()).axes(&[3, 4, 5]);
        assert_eq!(Index::Axes(there.clone()).flat(&[3, 4, 5]), i);
        // Merging two axes undoes one division.
        let merged = Index::Flat(Index::Axes(there).flat(&[3, 4, 5])).axes(&[12, 5]);
        assert_eq!(merged.iter().map(Ix::divisions).sum::<usize>(), 2);
    }

    /// From (B, 4, 14, 14) to pictures of 28 x 28, and back.
    #[test]
    fn depth_to_space_is_undone() {
        let own = Index::Axes(vec![Ix::var("b", 16), Ix::var("o", 4), Ix::var("y", 14), Ix::var("x", 14)]);
        let split = Index::Flat(own.flat(&[16, 4, 14, 14])).axes(&[16, 2, 2, 14, 14]);
        let shuffled = Index::Axes([0, 3, 1, 4, 2].map(|p| split[p].clone()).to_vec());
        let picture = Index::Flat(shuffled.flat(&[16, 14, 2, 14, 2]));
        let back = picture.axes(&[16, 14, 2, 14, 2]);
        let joined = Index::Axes([0, 2, 4, 1, 3].map(|p| back[p].clone()).to_vec());
        assert_eq!(joined.flat(&[16, 2, 2, 14, 14]), own.flat(&[16, 4, 14, 14]));
    }

    #[test]
    fn axes_of_known_size_divide_away() {
        let (b, m) = (Ix::var("b", 7), Ix::var("m", 28));
        let flat = b.times(28).add(&m);
        assert_eq!(flat.div(28), b);
        assert_eq!(flat.rem(28), m);
        assert_eq!(flat.to_string(), "b * 28u + m");
        assert_eq!(flat.div(4), b.times(7).add(&m.div(4)));
        assert_eq!(Ix::var("x", 9).times(-1).plus(8).to_string(), "8u - x");
    }

    /// Every rule, on all values of two variables, through all chains of two divisions.
    #[test]
    fn simplification_keeps_the_value() {
        let (x, y) = (Ix::var("x", 12), Ix::var("y", 10));
        for (a, c, k) in [(1, 12, 0), (12, 1, 5), (6, 4, 3), (3, 2, -2), (-1, 12, 11), (5, 7, 1)] {
            let e = x.times(a).add(&y.times(c)).plus(k);
            for (d, m) in [(2, 3), (3, 4), (4, 6), (6, 2), (12, 5), (5, 12), (7, 3), (24, 4)] {
                let built = e.div(d).rem(m).add(&e.rem(m).times(2)).add(&e.div(d).div(m)).add(&e.rem(m * d).div(d));
                for (p, q) in (0..12).flat_map(|p| (0..10).map(move |q| (p, q))) {
                    let v: i64 = a * p + c * q + k;
                    if v >= 0 {
                        let expected = v / d % m + v % m * 2 + v / d / m + v % (m * d) / d;
                        let got = built.eval(&|name| if name == "x" { p } else { q });
                        assert_eq!(got, expected, "{e}, / {d} % {m}, at {p} {q}: {built}");
                    }
                }
            }
        }
    }
}
