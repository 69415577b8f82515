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

fn percent(accuracies: &[f32]) -> String {
    let percent: Vec<String> = accuracies.iter().map(|accuracy| format!("{:.1}", accuracy * 100.0)).collect();
    percent.join(" ")
}

#[test]
fn the_same_seed_gives_the_same_accuracies_and_model_on_every_machine() {
    let organizations = organizations(1, 3);
    let rounds = learn_together(1, &organizations);
    let table: Vec<String> = rounds.iter().map(|joint| percent(&accuracies(joint, &organizations))).collect();
    assert_eq!(
        table,
        [
            "58.3 59.3 55.7",
            "77.7 71.7 74.0",
            "83.0 82.7 80.7",
            "86.7 86.0 84.7",
            "87.3 87.7 86.7",
            "88.3 88.7 88.7",
            "88.7 88.7 89.0",
            "89.3 88.7 89.3",
            "90.3 90.0 91.3",
            "89.7 89.7 92.7",
        ]
    );
    assert_eq!(
        checksum(rounds[ROUNDS - 1].to_string().as_bytes()),
        "d35141551698640d369bd99ab212c28090dbea6a5dfa170b1ba1d9a9a1d3bfa5"
    );
}

#[test]
fn every_organization_gains_and_none_could_have_learned_it_alone() {
    for (seed, count) in [(1, 2), (1, 3), (2, 3)] {
        let organizations = organizations(seed, count);
        let rounds = learn_together(seed, &organizations);
        let first = accuracies(&rounds[0], &organizations);
        let last = accuracies(&rounds[ROUNDS - 1], &organizations);
        for (organization, (first, last)) in first.iter().zip(&last).enumerate() {
            assert!(*last > first + 0.15, "seed {seed}, organization {organization}: {first} to {last}");
        }
        for alone in organizations.iter().map(|data| learn_alone(seed, data)) {
            let alone = mean(&accuracies(&alone, &organizations));
            assert!(mean(&last) > alone + 0.1, "seed {seed}, {count} organizations: {last:?}, alone {alone}");
        }
    }
}
