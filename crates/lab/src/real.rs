//! Data of the plane that were measured. Sources and licences: `data/README.md`.

use crate::points::Points;
use crate::table;
use serde::{Deserialize, Serialize};

/// A measured set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Real {
    /// How long the geyser's eruptions last, and how long one waits for the next.
    OldFaithful,
    /// Flippers and bills of three species of penguins.
    Penguins,
}

impl Real {
    /// All there are.
    pub const ALL: [Real; 2] = [Real::OldFaithful, Real::Penguins];

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Real::OldFaithful => "Old Faithful",
            Real::Penguins => "Palmer penguins",
        }
    }

    /// The points, and what was done to the table.
    pub fn points(self) -> (Points, Vec<String>) {
        let csv = match self {
            Real::OldFaithful => include_str!("../data/old-faithful.csv"),
            Real::Penguins => include_str!("../data/penguins.csv"),
        };
        table::parse(csv).expect("the tables that are built in can be read")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(points: &Points) -> [f64; 2] {
        [0, 1].map(|i| points.at.iter().map(|x| x[i]).sum::<f64>() / points.at.len() as f64)
    }

    #[test]
    fn old_faithful_is_what_r_has() {
        let (points, _) = Real::OldFaithful.points();
        let [eruption, waiting] = means(&points);
        assert_eq!(points.at.len(), 272);
        assert!((eruption - 3.487783).abs() < 1e-6 && (waiting - 70.897059).abs() < 1e-6);
        assert_eq!((points.at[0], points.axes[1].as_str()), ([3.6, 79.0], "waiting (min)"));
        assert!(points.labels.is_empty());
    }

    #[test]
    fn penguins_have_their_species() {
        let (points, notices) = Real::Penguins.points();
        assert_eq!((points.at.len(), points.labels.len()), (342, 342));
        assert_eq!(points.classes, ["Adelie", "Chinstrap", "Gentoo"]);
        let count = |class: u8| points.labels.iter().filter(|&&l| l == class).count();
        assert_eq!([0, 1, 2].map(count), [151, 68, 123]);
        let [flipper, bill] = means(&points);
        assert!((flipper - 200.915).abs() < 1e-3 && (bill - 43.922).abs() < 1e-3, "{flipper} {bill}");
        assert!(notices.iter().any(|n| n.starts_with("2 rows ")), "{notices:?}");
    }
}
