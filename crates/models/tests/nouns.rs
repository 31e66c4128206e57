//! A real data set whose log p is known: Nouns are drawn evenly from all combinations of their parts, so no model can be
//! above the truth on held-out ones, whatever its card says. An estimator that is has counted something twice.

use models::registry::{Card, Label};
use std::path::Path;

/// Two backgrounds, which no label names, with every body, accessory, head and pair of glasses.
const BACKGROUNDS: f64 = 2.0;
const COMBINATIONS: f64 = 50_124_360.0;
/// Standard errors that a mean may be above.
const ALLOWED: f64 = 3.0;

/// Cards of the shipped models of Nouns that have one.
fn cards() -> Vec<Card> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/models");
    let ids = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let card = |id: String| Card::parse(&std::fs::read_to_string(folder.join(id).join("card.json")).unwrap()).unwrap();
    ids.filter(|id| id.starts_with("nouns-")).map(card).collect()
}

/// Mean and its standard error.
fn mean(x: &[f32]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let variance = x.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[test]
fn no_model_of_nouns_is_above_the_truth() {
    let truth = -COMBINATIONS.ln();
    assert!((truth + 25.58 * 2f64.ln()).abs() < 5e-3, "25.58 bits an image");
    let mut judged = 0;
    for card in cards() {
        let parts: f64 = card.labels.iter().map(|l: &Label| l.values.len() as f64).product();
        assert_eq!(parts * BACKGROUNDS, COMBINATIONS, "{}", card.id);
        // Without labels: the scores of single images, and the mean where the card has one.
        if let Some(reference) = &card.reference {
            let (nats, error) = mean(&reference.held_out);
            println!("{}: {nats:.2} ± {error:.2} nats an image by {}, truth {truth:.2}", card.id, reference.estimator);
            assert!(nats - ALLOWED * error <= truth, "{}: {nats} ± {error}", card.id);
            judged += 1;
        }
        let Some(metrics) = &card.metrics else { continue };
        if let (Some(nats), Some(error)) = (metrics.fit.unlabelled_nats, metrics.fit.std_error) {
            assert!(nats - ALLOWED * error <= truth, "{}: {nats} without labels", card.id);
            judged += 1;
        }
        // With all labels a character is known but for its background.
        if let (Some(nats), Some(error)) = (metrics.fit.nats, metrics.fit.std_error) {
            println!("{}: {nats:.3} ± {error:.3} nats with labels, truth {:.3}", card.id, -BACKGROUNDS.ln());
            assert!(nats - ALLOWED * error <= -BACKGROUNDS.ln(), "{}: {nats} with labels", card.id);
            judged += 1;
        }
    }
    assert!(judged >= 5, "{judged} figures");
}
