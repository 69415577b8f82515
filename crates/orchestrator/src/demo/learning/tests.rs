//! Learning as a whole: rounds of "train everywhere, aggregate, test everywhere", without any file or task between them.

use super::file::checksum;
use super::{Model, OrganizationData};

const ROUNDS: usize = 10;

fn organizations(seed: u64, count: usize) -> Vec<OrganizationData> {
    (0..count).map(|organization| OrganizationData::synthesize(seed, organization)).collect()
}

/// The joint model after each round.
fn learn_together(seed: u64, organizations: &[OrganizationData]) -> Vec<Model> {
    let mut joint = Model::initial(seed);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let trained: Vec<Model> = organizations.iter().map(|data| joint.train(&data.training)).collect();
        joint = Model::aggregate(&trained).unwrap();
        rounds.push(joint.clone());
    }
    rounds
}

/// The model of an organization that trains for as many rounds as the others, but alone.
fn learn_alone(seed: u64, data: &OrganizationData) -> Model {
    (0..ROUNDS).fold(Model::initial(seed), |model, _| model.train(&data.training))
}

fn accuracies(model: &Model, organizations: &[OrganizationData]) -> Vec<f32> {
    organizations.iter().map(|data| model.accuracy(&data.held_out)).collect()
}

fn mean(numbers: &[f32]) -> f32 {
    numbers.iter().sum::<f32>() / numbers.len() as f32
}

fn percent(accuracies: &[f32]) -> Vec<String> {
    accuracies.iter().map(|accuracy| format!("{:.1}", accuracy * 100.0)).collect()
}

#[test]
fn the_same_seed_gives_the_same_accuracies_and_model_on_every_machine() {
    let organizations = organizations(1, 3);
    let rounds = learn_together(1, &organizations);
    let table: Vec<Vec<String>> =
        rounds.iter().map(|joint| percent(&accuracies(joint, &organizations))).collect();
    for (row, round) in table.iter().zip(1..) { println!("{round}: {}", row.join(" ")); }
    assert_eq!(table[0], ["GOLDEN", "", ""]);
    assert_eq!(table[ROUNDS - 1], ["GOLDEN", "", ""]);
    assert_eq!(checksum(rounds[ROUNDS - 1].to_string().as_bytes()), "GOLDEN_MODEL");
}
