//! The shapes of the four functions of the universe: what goes in, what comes out.

/// What goes in or comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Manager,
    Sample,
    Model,
    Performance,
}

/// An input: name, kind, multiple, optional.
pub(crate) type Input = (&'static str, Kind, bool, bool);
/// An output: name, kind, multiple.
pub(crate) type Output = (&'static str, Kind, bool);

/// The inputs of function `number`, by name.
pub(crate) fn inputs(number: u8) -> &'static [Input] {
    match number {
        0 => &[
            ("model", Kind::Model, true, true),
            ("opener", Kind::Manager, false, false),
            ("samples", Kind::Sample, true, false),
        ],
        1 => &[("model", Kind::Model, true, true)],
        2 => &[("model", Kind::Model, true, false)],
        _ => &[("model", Kind::Model, false, false)],
    }
}

/// The outputs of function `number`, by name.
pub(crate) fn outputs(number: u8) -> &'static [Output] {
    match number {
        0 | 1 => &[("model", Kind::Model, false)],
        2 => &[("performance", Kind::Performance, false)],
        _ => &[("head", Kind::Model, false), ("parts", Kind::Model, true)],
    }
}
