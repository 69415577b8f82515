//! The data of the organizations: measurements of things of three classes, made so that no organization can learn them alone.
//!
//! Owns how the data is drawn and the text form of a data sample; it does not know the model. An organization never meets one of the
//! classes, has more of one class than of the other, measures everything a little differently from the others, and has its own number of
//! examples; yet its held-out examples are of all classes alike. Start at [`OrganizationData::synthesize`].

use std::fmt::{self, Display};
use std::str::FromStr;

use super::file::{Malformed, Reader, numbers};
use super::random::Stream;

/// How many numbers are measured of a thing.
pub(super) const FEATURES: usize = 15;

/// How many classes of things there are; a class is a number below it.
pub(super) const CLASSES: usize = 3;

const TRAINING_DATA_SAMPLES: usize = 4;
const HELD_OUT_EXAMPLES: usize = 300;

// How far a feature that marks a class lies from the usual value, in deviations of the measuring noise: at 1.2 about one thing in twenty
// looks like another class, so that the best possible model stays visibly below 100 %.
const MARK: f64 = 1.2;
// The usual value of a feature. It is not zero because real measurements are seldom centred, and that makes learning gradual.
const USUAL: f64 = 1.0;
// How far apart the instruments of two organizations are.
const INSTRUMENT_SHIFT: f64 = 0.3;

/// What is measured of one thing.
pub(super) type Features = [f64; FEATURES];

/// A thing and what it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Example {
    pub(super) features: Features,
    pub(super) class: usize,
}

/// The examples of one file: at least one.
///
/// The text form is CSV: a header, then a line for each example with its features, in thousandths, and its class.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DataSample {
    pub(super) examples: Vec<Example>,
}

/// All data of one organization.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OrganizationData {
    /// What the organization trains on: four data samples of equal size.
    pub(crate) training: [DataSample; TRAINING_DATA_SAMPLES],
    /// What it tests on and never trains on.
    pub(crate) held_out: DataSample,
}

impl OrganizationData {
    /// Draws the data of the organization of this index, counted from 0. The number of organizations does not matter: two or more know
    /// all classes between them.
    pub(crate) fn synthesize(seed: u64, organization: usize) -> Self {
        let mut stream = Stream::new(seed, &format!("organization/{organization}"));
        let things = Things::of(seed, &mut stream);
        let examples_per_data_sample = 60 + stream.below(61);
        let share_of_frequent_class = 0.5 + stream.unit() / 4.0;

        let training = std::array::from_fn(|_| {
            let examples = (0..examples_per_data_sample).map(|_| {
                let is_frequent = stream.unit() < share_of_frequent_class;
                let class = organization % CLASSES + usize::from(!is_frequent);
                things.draw(class % CLASSES, &mut stream)
            });
            DataSample { examples: examples.collect() }
        });
        let held_out = (0..HELD_OUT_EXAMPLES).map(|number| things.draw(number % CLASSES, &mut stream));
        Self { training, held_out: DataSample { examples: held_out.collect() } }
    }
}

/// What things look like to the instrument of one organization.
struct Things {
    centres: [Features; CLASSES],
}

impl Things {
    fn of(seed: u64, organization: &mut Stream) -> Self {
        let mut centres = class_centres(seed);
        let shift: Features = std::array::from_fn(|_| INSTRUMENT_SHIFT * organization.normal());
        for centre in &mut centres {
            *centre = std::array::from_fn(|feature| centre[feature] + shift[feature]);
        }
        Self { centres }
    }

    fn draw(&self, class: usize, stream: &mut Stream) -> Example {
        let features = self.centres[class].map(|usual| thousandths(usual + stream.normal()));
        Example { features, class }
    }
}

/// What is usual for each class, in truth. Every feature marks one class, by being higher or lower than in the others, so that all
/// pairs of classes are equally hard to tell apart whatever the seed.
fn class_centres(seed: u64) -> [Features; CLASSES] {
    let mut stream = Stream::new(seed, "classes");
    let mut centres = [[USUAL; FEATURES]; CLASSES];
    for feature in 0..FEATURES {
        centres[feature % CLASSES][feature] += if stream.below(2) == 0 { MARK } else { -MARK };
    }
    centres
}

/// Rounds as the text form does, so that an example is the same before and after it was in a file.
fn thousandths(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

const HEADER: &str = "x1,x2,x3,x4,x5,x6,x7,x8,x9,x10,x11,x12,x13,x14,x15,class";

impl Display for DataSample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        for Example { features, class } in &self.examples {
            for feature in features {
                write!(f, "{feature:.3},")?;
            }
            writeln!(f, "{class}")?;
        }
        Ok(())
    }
}

impl FromStr for DataSample {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut reader = Reader::new(text);
        reader.next_is(HEADER)?;
        let mut examples = vec![next_example(&mut reader)?];
        while !reader.is_at_end() {
            examples.push(next_example(&mut reader)?);
        }
        Ok(Self { examples })
    }
}

fn next_example(reader: &mut Reader<'_>) -> Result<Example, Malformed> {
    reader.next("15 finite numbers and a class (0, 1 or 2), separated by commas", |line| {
        let (features, class) = line.rsplit_once(',')?;
        let class = class.parse().ok().filter(|class| *class < CLASSES)?;
        Some(Example { features: numbers(features)?, class })
    })
}

#[cfg(test)]
mod tests {
    use super::super::file::checksum;
    use super::{CLASSES, DataSample, HEADER, OrganizationData};

    fn examples_by_class(data_samples: &[DataSample]) -> [usize; CLASSES] {
        let mut counts = [0; CLASSES];
        for example in data_samples.iter().flat_map(|data_sample| &data_sample.examples) {
            counts[example.class] += 1;
        }
        counts
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_on_every_machine() {
        let data = OrganizationData::synthesize(1, 0);
        assert_eq!(
            checksum(data.training[0].to_string().as_bytes()),
            "2bf48f5b4c79ef84ca988d2a5679a40d5c2a947c78f8e98ef134b7f7fe70f43e"
        );
        assert_eq!(
            checksum(data.held_out.to_string().as_bytes()),
            "ed5a6add538ed7065ae02bf4e29972b242d7b35e569414f0a549c1c18cc66fee"
        );
    }

    #[test]
    fn seeds_organizations_and_data_samples_differ() {
        let data = OrganizationData::synthesize(1, 0);
        assert_eq!(data, OrganizationData::synthesize(1, 0));
        assert_ne!(data, OrganizationData::synthesize(2, 0));
        assert_ne!(data, OrganizationData::synthesize(1, 1));
        assert_ne!(data.training[0], data.training[1]);
    }

    #[test]
    fn each_organization_lacks_a_class_in_training_and_has_all_held_out() {
        for (organization, lacking) in [(0, 2), (1, 0), (2, 1), (3, 2), (19, 0)] {
            let data = OrganizationData::synthesize(1, organization);
            let counts = examples_by_class(&data.training);
            for (class, count) in counts.into_iter().enumerate() {
                assert_eq!(count == 0, class == lacking, "organization {organization}: {counts:?}");
            }
            assert_eq!(examples_by_class(&[data.held_out]), [100; CLASSES]);
        }
    }

    #[test]
    fn a_data_sample_is_the_same_after_it_was_text() {
        for data_sample in OrganizationData::synthesize(7, 4).training {
            assert_eq!(data_sample.to_string().parse(), Ok(data_sample));
        }
    }

    #[test]
    fn a_text_of_another_form_is_refused_at_its_first_wrong_line() {
        const ROW: &str = "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,2";
        let cases = [
            ("empty", String::new(), 1),
            ("another header", ROW.to_owned(), 1),
            ("no example", format!("{HEADER}\n"), 2),
            ("a feature too few", format!("{HEADER}\n{ROW}\n{}\n", &ROW[2..]), 3),
            ("a feature too many", format!("{HEADER}\n0,{ROW}\n"), 2),
            ("no such class", format!("{HEADER}\n{ROW}\n{}3\n", &ROW[..ROW.len() - 1]), 3),
            ("cut off", format!("{HEADER}\n{ROW}\n0,1,2,"), 3),
            ("an empty line", format!("{HEADER}\n\n{ROW}\n"), 2),
        ];
        for (name, text, line) in cases {
            let refused = text.parse::<DataSample>().unwrap_err();
            assert_eq!(refused.line, line, "{name}: {refused}");
        }
    }
}
