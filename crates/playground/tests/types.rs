//! The TypeScript side of the protocol is this crate's, to the letter.

use playground::protocol::lab::*;
use playground::protocol::*;
use tsify::Tsify;

const HEADER: &str = "// Made from crates/playground/src/protocol.rs by its test `types`; UPDATE=1 writes it anew.\n\n\
    import type { Control } from \"./card.d.ts\";\n\
    import type { Estimate, Estimator, Kind } from \"./estimate.d.ts\";\n\n\
    export type LabFamily = \"truth\" | \"gaussian\" | \"mixture\" | \"kernel\" | \"vae\" | \"gan\" | \"diffusion\" | \"transformer\";\n\
    export type LabPlayer = \"both\" | \"discriminator\" | \"generator\";\n\
    export type LabMoves = { player: LabPlayer; steps: number };\n";

fn declarations() -> String {
    let all = [
        Command::DECL,
        Course::DECL,
        BackendChoice::DECL,
        Budget::DECL,
        Event::DECL,
        Progress::DECL,
        SoFar::DECL,
        Phase::DECL,
        SampleStep::DECL,
        TrainStep::DECL,
        BackendInfo::DECL,
        BackendName::DECL,
        Reply::DECL,
        Scored::DECL,
        Posterior::DECL,
        Share::DECL,
        LabCommand::DECL,
        DataSource::DECL,
        Format::DECL,
        How::DECL,
        LabReply::DECL,
        LabForm::DECL,
        Chips::DECL,
        Chip::DECL,
        LabSet::DECL,
        Loss::DECL,
        FileName::DECL,
        LayerShape::DECL,
    ];
    all.iter().fold(HEADER.to_string(), |text, decl| text + "\n" + decl.trim() + "\n")
}

#[test]
fn the_page_has_the_types_of_the_engine() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/src/protocol.d.ts");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, declarations()).unwrap();
    }
    let on_disk = std::fs::read_to_string(path).unwrap_or_default();
    assert!(on_disk == declarations(), "{path} is out of date: run `UPDATE=1 cargo test -p playground --test types`");
}

/// `Estimate` belongs to a crate that knows no TypeScript, so its fields are compared by name.
#[test]
fn the_page_knows_every_field_of_an_estimate() {
    let estimate = likelihood::Estimate {
        nats: -1.0,
        std_error: Some(0.1),
        kind: likelihood::Kind::LowerBound,
        bits_per_dim: 1.0,
        estimator: String::new(),
        k: 1,
        effective_samples: None,
        parts: Some(likelihood::Parts { elbo: -1.0, elbo_std_error: 0.1, reconstruction: -1.0, kl: 0.0 }),
        terms: vec![0.0],
        n_evals: 1,
        assumptions: vec![],
        place: likelihood::Place::default(),
    };
    let declared = include_str!("../../../web/src/estimate.d.ts");
    let json = serde_json::to_value(estimate).unwrap();
    let fields = json.as_object().unwrap().iter();
    let parts = json["parts"].as_object().unwrap().iter();
    for (name, _) in fields.chain(parts) {
        assert!(declared.contains(&format!(" {name}: ")), "estimate.d.ts lacks `{name}`");
    }
}

/// So is the list of ways to ask.
#[test]
fn the_page_knows_every_estimator() {
    let declared = include_str!("../../../web/src/estimate.d.ts");
    let names = likelihood::query::Method::ALL.map(|method| serde_json::to_string(&method).unwrap());
    assert!(declared.contains(&format!("export type Estimator = {};", names.join(" | "))));
}

/// And the list of the lab's families.
#[test]
fn the_page_knows_every_family_of_the_lab() {
    let names = ::lab::Family::ALL.map(|family| format!("\"{}\"", family.name()));
    assert!(HEADER.contains(&format!("export type LabFamily = {};", names.join(" | "))));
}
