//! Settings that are one of a few words.

use crate::words::words;

/// How a query's scores come about (METHOD, "why the method is slow").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A trigger of its own, and a forward pass of every candidate with it: the printed method.
    Exact,
    /// The clean view and all stored ones: a dummy class in each, fine-tuned on stored rows, and a scan.
    Shared,
    /// `Shared` over all candidates, then `Exact` on the best of them.
    Cascade,
}

words!(Mode { Exact => "exact", Shared => "shared", Cascade => "cascade" });

/// Where the search for a query's trigger begins, see [`TriggerStart`](crate::TriggerStart).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartRule {
    /// Uniform in 0..1.
    Uniform,
    /// With the same mean and spread, in a bell.
    Gaussian,
}

words!(StartRule { Uniform => "uniform", Gaussian => "gaussian" });

/// What is found out about how far a query may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certify {
    /// Nothing.
    Off,
    /// The bound of equation 7 and lemma 2, with an estimated Lipschitz constant, see [`Certificate`](crate::Certificate).
    Bound,
    /// The bound, and the distance at which the nearest exemplars first change, see
    /// [`measured_radius`](crate::measured_radius): many queries' worth of work.
    Measured,
}

words!(Certify { Off => "off", Bound => "bound", Measured => "measured" });

/// Where the dummy class's row starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DummyStart {
    /// Random, uniform in +-1 / sqrt(d), as a new linear layer starts in the paper's framework.
    Seeded,
    /// All zero.
    Zero,
    /// In the direction of the triggered query's row.
    Query,
}

words!(DummyStart { Seeded => "seeded", Zero => "zero", Query => "query" });

/// The space in which the head is fine-tuned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureSpace {
    /// The features and the head as the model has them.
    Raw,
    /// Centred and whitened features of unit length, without the model's own classes.
    Whitened,
}

words!(FeatureSpace { Raw => "raw", Whitened => "whitened" });
