//! The model: softmax regression, trained by gradient descent and averaged over organizations.
//!
//! Owns the weights, what changes and measures them, and their text form; it does not know where data or models are kept. Start at
//! [`Model::initial`].

use std::fmt::{self, Display};
use std::str::FromStr;

use super::data::{CLASSES, DataSample, Example, FEATURES, Features};
use super::file::{Malformed, Reader, numbers};
use super::random::Stream;

// Small steps and a far-off start: the first rounds are visibly bad, and the accuracy is still rising after ten.
const INITIAL_DEVIATION: f64 = 0.7;
const EPOCHS: usize = 8;
const LEARNING_RATE: f64 = 0.001;

/// The weights of the features for one class, and last the bias of the class.
type Weights = [f64; FEATURES + 1];

/// What has been learned, and from how many examples.
///
/// The text form is CSV: the number of examples, a header, then a line with the weights of each class in turn. The weights are written
/// with as many digits as it takes to read the very same numbers back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    examples: u32,
    weights: [Weights; CLASSES],
}

/// None of the models to aggregate has learned from any example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("none of the models to aggregate has learned from any example")]
pub(crate) struct NothingLearned;

impl Model {
    /// The model that everybody starts from: random weights, learned from no example.
    pub(crate) fn initial(seed: u64) -> Self {
        let mut stream = Stream::new(seed, "initial model");
        let mut weight = || INITIAL_DEVIATION * stream.normal();
        Self { examples: 0, weights: std::array::from_fn(|_| std::array::from_fn(|_| weight())) }
    }

    /// The model after a few passes over the data, in the order given.
    pub(crate) fn train(&self, data: &[DataSample]) -> Self {
        let mut trained = Self { examples: 0, weights: self.weights };
        for _ in 0..EPOCHS {
            for example in examples(data) {
                trained.step(example);
            }
        }
        trained.examples = examples(data).fold(0, |count, _| count.saturating_add(1));
        trained
    }

    /// The mean of the models, each weighing as much as the examples it learned from: federated averaging.
    ///
    /// The order of the models decides the last digits, so give them in the same order to get the same bytes. Equal models have
    /// exactly themselves as mean.
    ///
    /// # Errors
    ///
    /// There is no model that learned from at least one example.
    pub(crate) fn aggregate(models: &[Self]) -> Result<Self, NothingLearned> {
        let mut trained = models.iter().filter(|model| model.examples > 0);
        let mut mean = trained.next().ok_or(NothingLearned)?.clone();
        for model in trained {
            mean.include(model);
        }
        Ok(mean)
    }

    /// The share of the examples whose class the model tells rightly, from 0 to 1.
    pub(crate) fn accuracy(&self, data: &DataSample) -> f32 {
        let right =
            data.examples.iter().filter(|example| self.predict(&example.features) == example.class).count();
        right as f32 / data.examples.len() as f32
    }

    /// Moves the weights a little towards telling this example rightly: one step of gradient descent.
    fn step(&mut self, example: &Example) {
        let probabilities = softmax(self.scores(&example.features));
        for (class, weights) in self.weights.iter_mut().enumerate() {
            let target = if class == example.class { 1.0 } else { 0.0 };
            let change = LEARNING_RATE * (target - probabilities[class]);
            for (weight, feature) in weights.iter_mut().zip(with_bias(&example.features)) {
                *weight += change * feature;
            }
        }
    }

    /// Makes this mean one over another model too. The mean is moved towards the model rather than computed from sums, so that it does
    /// not move by a rounding error when both are equal.
    fn include(&mut self, model: &Self) {
        let share = f64::from(model.examples) / (f64::from(self.examples) + f64::from(model.examples));
        for (mean, weight) in self.weights.iter_mut().flatten().zip(model.weights.iter().flatten()) {
            *mean += share * (weight - *mean);
        }
        self.examples = self.examples.saturating_add(model.examples);
    }

    /// The class of the highest score, the lowest such class if there are several.
    fn predict(&self, features: &Features) -> usize {
        let scores = self.scores(features);
        (1..CLASSES).fold(0, |best, class| if scores[class] > scores[best] { class } else { best })
    }

    fn scores(&self, features: &Features) -> [f64; CLASSES] {
        self.weights.map(|weights| {
            weights.iter().zip(with_bias(features)).map(|(weight, feature)| weight * feature).sum()
        })
    }
}

fn examples(data: &[DataSample]) -> impl Iterator<Item = &Example> {
    data.iter().flat_map(|data_sample| &data_sample.examples)
}

/// The features and the constant 1, which the bias is the weight of.
fn with_bias(features: &Features) -> impl Iterator<Item = f64> {
    features.iter().copied().chain([1.0])
}

/// The probability of each class, given its score.
fn softmax(scores: [f64; CLASSES]) -> [f64; CLASSES] {
    let highest = scores.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let powers = scores.map(|score| exponential(score - highest));
    let total: f64 = powers.iter().sum();
    powers.map(|power| power / total)
}

/// e to the power of a number that is not positive, as (1 + x / 2²⁰) multiplied with itself 2²⁰ times: right to four digits, and the
/// same to the last bit everywhere, which `f64::exp` does not promise.
fn exponential(x: f64) -> f64 {
    const DOUBLINGS: u32 = 20;
    let root = 1.0 + x.max(-30.0) / f64::from(1 << DOUBLINGS);
    (0..DOUBLINGS).fold(root, |power, _| power * power)
}

const HEADER: &str = "x1,x2,x3,x4,x5,x6,x7,x8,x9,x10,x11,x12,x13,x14,x15,bias";

impl Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "examples,{}", self.examples)?;
        writeln!(f, "{HEADER}")?;
        for weights in &self.weights {
            writeln!(f, "{}", weights.map(|weight| weight.to_string()).join(","))?;
        }
        Ok(())
    }
}

impl FromStr for Model {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut reader = Reader::new(text);
        let examples =
            reader.next("\"examples,\" and a number", |line| line.strip_prefix("examples,")?.parse().ok())?;
        reader.next_is(HEADER)?;
        let mut weights = [[0.0; FEATURES + 1]; CLASSES];
        for weights_of_class in &mut weights {
            *weights_of_class = reader.next("16 finite numbers, separated by commas", numbers)?;
        }
        reader.end()?;
        Ok(Self { examples, weights })
    }
}

#[cfg(test)]
mod tests {
    use super::super::OrganizationData;
    use super::{CLASSES, FEATURES, HEADER, Model, NothingLearned, exponential};

    /// A model all of whose weights are the same number.
    fn uniform(examples: u32, weight: f64) -> Model {
        Model { examples, weights: [[weight; FEATURES + 1]; CLASSES] }
    }

    #[test]
    fn training_counts_its_examples_and_leaves_the_original_alone() {
        let data = OrganizationData::synthesize(1, 0);
        let initial = Model::initial(1);
        let trained = initial.train(&data.training[..2]);
        assert_eq!(initial, Model::initial(1));
        assert_ne!(trained.weights, initial.weights);
        assert_eq!(usize::try_from(trained.examples).unwrap(), 2 * data.training[0].examples.len());
        assert_eq!(trained.train(&[]), Model { examples: 0, ..trained });
    }

    #[test]
    fn a_mean_weighs_models_by_their_examples() {
        let cases: [(&str, &[Model], Result<Model, NothingLearned>); 5] = [
            ("one", &[uniform(5, 2.0)], Ok(uniform(5, 2.0))),
            ("two", &[uniform(1, 0.0), uniform(3, 4.0)], Ok(uniform(4, 3.0))),
            ("an untrained one", &[uniform(0, 9.0), uniform(3, 4.0), uniform(0, 9.0)], Ok(uniform(3, 4.0))),
            ("none", &[], Err(NothingLearned)),
            ("only untrained ones", &[uniform(0, 9.0)], Err(NothingLearned)),
        ];
        for (name, models, mean) in cases {
            assert_eq!(Model::aggregate(models), mean, "{name}");
        }
    }

    #[test]
    fn equal_models_have_exactly_themselves_as_mean() {
        let model = Model { examples: 7, ..Model::initial(1) };
        let others = [3, 11].map(|examples| Model { examples, ..model.clone() });
        let mean = Model::aggregate(&[model.clone(), others[0].clone(), others[1].clone()]);
        assert_eq!(mean, Ok(Model { examples: 21, ..model }));
    }

    #[test]
    fn a_model_is_the_same_after_it_was_text() {
        let data = OrganizationData::synthesize(1, 0);
        let model = Model::initial(1).train(&data.training);
        assert_eq!(model.to_string().parse(), Ok(model));
    }

    #[test]
    fn a_text_of_another_form_is_refused_at_its_first_wrong_line() {
        const ROW: &str = "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16";
        let cases = [
            ("empty", String::new(), 1),
            ("not a number of examples", format!("examples,-1\n{HEADER}\n{ROW}\n{ROW}\n{ROW}\n"), 1),
            ("no header", format!("examples,1\n{ROW}\n{ROW}\n{ROW}\n"), 2),
            (
                "a weight that is not finite",
                format!("examples,1\n{HEADER}\nNaN{}\n{ROW}\n{ROW}\n", &ROW[1..]),
                3,
            ),
            ("a weight too few", format!("examples,1\n{HEADER}\n{ROW}\n{}\n{ROW}\n", &ROW[2..]), 4),
            ("a class too few", format!("examples,1\n{HEADER}\n{ROW}\n{ROW}\n"), 5),
            ("a class too many", format!("examples,1\n{HEADER}\n{ROW}\n{ROW}\n{ROW}\n{ROW}\n"), 6),
        ];
        for (name, text, line) in cases {
            let refused = text.parse::<Model>().unwrap_err();
            assert_eq!(refused.line, line, "{name}: {refused}");
        }
    }

    #[test]
    fn the_exponential_is_right_to_four_digits() {
        for x in [0.0, -0.001, -0.5, -1.0, -5.0, -12.0] {
            let error = exponential(x) / f64::exp(x) - 1.0;
            assert!(error.abs() < 1e-4, "x = {x}: {error}");
        }
        assert!(exponential(-1e9) < 1e-12);
    }
}
