//! What the functions of the demo do, declare, and contain.
//!
//! An operation is known from the function's image, where it stands as one line of text; it works on values only, so it does not know where
//! they were found or where its product goes. Start at [`Operation::run`].

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::str::FromStr;

use anyhow::{Context, bail};
use proto::{AssetKind, FunctionInput, FunctionOutput};

use super::learning::file::Malformed;
use super::learning::{DataSample, Model};

// Identifiers of inputs.
pub(super) const OPENER: &str = "opener";
pub(super) const DATA_SAMPLES: &str = "datasamples";
pub(super) const MODELS: &str = "models";
// Of an input and of outputs.
pub(super) const MODEL: &str = "model";
pub(super) const PERFORMANCE: &str = "performance";

/// What a function does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Trains a model on data samples, or, without a model, the one that the seed gives.
    Train { seed: u64 },
    /// Makes one model of several.
    Aggregate,
    /// Measures a model on data samples.
    Test,
}

/// What a task works on, in the order of its inputs.
#[derive(Debug, Default)]
pub(super) struct Materials {
    pub(super) data_samples: Vec<DataSample>,
    pub(super) models: Vec<Model>,
}

/// What a task made.
#[derive(Debug, PartialEq)]
pub(super) enum Product {
    Model(Box<Model>),
    Performance(f32),
}

impl Operation {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Train { .. } => "train",
            Self::Aggregate => "aggregate",
            Self::Test => "test",
        }
    }

    pub(super) fn description(self) -> &'static str {
        match self {
            Self::Train { .. } => "Trains a softmax regression on data samples.",
            Self::Aggregate => "Averages models, each weighing as much as the examples it was trained on.",
            Self::Test => "Measures how often a model is right.",
        }
    }

    /// The inputs as a function declares them (compute/FUNC-3).
    pub(super) fn inputs(self) -> BTreeMap<String, FunctionInput> {
        let model =
            |multiple, optional| FunctionInput { kind: AssetKind::AssetModel.into(), multiple, optional };
        let opener =
            FunctionInput { kind: AssetKind::AssetDataManager.into(), multiple: false, optional: false };
        let data = FunctionInput { kind: AssetKind::AssetDataSample.into(), multiple: true, optional: false };
        match self {
            Self::Train { .. } => {
                named([(OPENER, opener), (DATA_SAMPLES, data), (MODEL, model(false, true))])
            }
            Self::Aggregate => named([(MODELS, model(true, false))]),
            Self::Test => named([(OPENER, opener), (DATA_SAMPLES, data), (MODEL, model(false, false))]),
        }
    }

    /// The outputs as a function declares them (compute/FUNC-4).
    pub(super) fn outputs(self) -> BTreeMap<String, FunctionOutput> {
        let output = |kind: AssetKind| FunctionOutput { kind: kind.into(), multiple: false };
        match self {
            Self::Train { .. } | Self::Aggregate => named([(MODEL, output(AssetKind::AssetModel))]),
            Self::Test => named([(PERFORMANCE, output(AssetKind::AssetPerformance))]),
        }
    }

    /// Does the work of a task.
    ///
    /// # Errors
    ///
    /// Something is missing among the materials.
    pub(super) fn run(self, materials: &Materials) -> anyhow::Result<Product> {
        let Materials { data_samples, models } = materials;
        match self {
            Self::Train { seed } => {
                let start = models.first().cloned().unwrap_or_else(|| Model::initial(seed));
                Ok(Product::Model(Box::new(start.train(data_samples))))
            }
            Self::Aggregate => Ok(Product::Model(Box::new(Model::aggregate(models)?))),
            Self::Test => {
                let model = models.first().context("there is no model to test")?;
                let [held_out] = data_samples.as_slice() else {
                    bail!("a test takes one data sample, not {}", data_samples.len());
                };
                Ok(Product::Performance(model.accuracy(held_out)))
            }
        }
    }
}

fn named<T, const COUNT: usize>(values: [(&str, T); COUNT]) -> BTreeMap<String, T> {
    values.into_iter().map(|(identifier, value)| (identifier.to_owned(), value)).collect()
}

const SEEDED: &str = "train from seed ";

impl Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Train { seed } => writeln!(f, "{SEEDED}{seed}"),
            Self::Aggregate | Self::Test => writeln!(f, "{}", self.name()),
        }
    }
}

impl FromStr for Operation {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let seed = |line: &str| line.strip_prefix(SEEDED)?.parse().ok();
        match text.trim_end() {
            "aggregate" => Ok(Self::Aggregate),
            "test" => Ok(Self::Test),
            line => {
                let malformed = Malformed {
                    line: 1,
                    expected: "\"train from seed \" and a number, \"aggregate\" or \"test\"",
                };
                seed(line).map(|seed| Self::Train { seed }).ok_or(malformed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::learning::{Model, OrganizationData};
    use super::{Materials, Operation, Product};

    #[test]
    fn an_operation_is_the_same_after_it_was_text() {
        for operation in [Operation::Train { seed: u64::MAX }, Operation::Aggregate, Operation::Test] {
            assert_eq!(operation.to_string().parse(), Ok(operation));
        }
        for text in ["", "train", "train from seed", "train from seed -1", "aggregate\ntest", "Test"] {
            assert!(text.parse::<Operation>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn training_goes_on_from_the_given_model_and_otherwise_begins() {
        let data = OrganizationData::synthesize(1, 0);
        let train = |models| {
            let materials = Materials { data_samples: data.training.to_vec(), models };
            Operation::Train { seed: 1 }.run(&materials).unwrap()
        };
        let once = Model::initial(1).train(&data.training);
        let twice = once.train(&data.training);
        assert_eq!(train(vec![]), Product::Model(Box::new(once.clone())));
        assert_eq!(train(vec![once]), Product::Model(Box::new(twice)));
    }

    #[test]
    fn missing_materials_are_named() {
        let cases = [
            (Operation::Aggregate, vec![], "none of the models to aggregate has learned from any example"),
            (Operation::Test, vec![], "there is no model to test"),
            (Operation::Test, vec![Model::initial(1)], "a test takes one data sample, not 0"),
        ];
        for (operation, models, message) in cases {
            let refused = operation.run(&Materials { data_samples: vec![], models });
            assert_eq!(refused.unwrap_err().to_string(), message);
        }
    }
}
