//! The shapes of the functions of the universe: what goes in, what comes out.

use crate::operation::Number;

/// What goes in or comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Manager,
    Sample,
    Model,
    Performance,
}

/// An input: name, content, multiple, optional.
pub(crate) type Input = (&'static str, Content, bool, bool);
/// An output: name, content, multiple.
pub(crate) type Output = (&'static str, Content, bool);

/// The inputs of function `number`, by name.
pub(crate) fn inputs(number: Number) -> &'static [Input] {
    match number % 4 {
        0 => &[
            ("model", Content::Model, true, true),
            ("opener", Content::Manager, false, false),
            ("samples", Content::Sample, true, false),
        ],
        1 => &[("model", Content::Model, true, true)],
        2 => &[("model", Content::Model, true, false)],
        _ => &[("model", Content::Model, false, false)],
    }
}

/// The outputs of function `number`, by name.
pub(crate) fn outputs(number: Number) -> &'static [Output] {
    match number % 4 {
        0 | 1 => &[("model", Content::Model, false)],
        2 => &[("performance", Content::Performance, false)],
        _ => &[("head", Content::Model, false), ("parts", Content::Model, true)],
    }
}

/// The input of function `number` with this name.
pub(crate) fn input(number: Number, name: &str) -> Option<Input> {
    inputs(number).iter().find(|input| input.0 == name).copied()
}

/// The output of function `number` with this name.
pub(crate) fn output(number: Number, name: &str) -> Option<Output> {
    outputs(number).iter().find(|output| output.0 == name).copied()
}
