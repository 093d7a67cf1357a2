use std::cell::OnceCell;

use lookalike_vision::{Model, Pixels};

use crate::attack::QueryClass;
use crate::error::EvalError;
use crate::subject::AskedFor;
use crate::subject::{Known, Subject};

/// Exemplars that a class under attack is told from.
const BACKGROUND: usize = 256;

/// What the attacks of a protocol are against, for all of its conditions.
#[derive(Debug)]
pub(super) struct Targets {
    /// The first exemplars, one more than a background has: the query may be one of them.
    exemplars: OnceCell<Vec<Pixels>>,
    /// By query.
    classes: Vec<OnceCell<QueryClass>>,
}

impl Targets {
    pub(super) fn new(queries: usize) -> Self {
        Self { exemplars: OnceCell::new(), classes: vec![OnceCell::new(); queries] }
    }

    /// The class that the printed method makes for a clean query.
    pub(super) fn class(
        &self,
        model: &Model,
        subject: &Subject,
        (number, asked): (usize, &AskedFor),
        seed: u64,
    ) -> Result<&QueryClass, EvalError> {
        let class = &self.classes[number];
        if let Some(class) = class.get() {
            return Ok(class);
        }
        let prepared = |known: &Known| model.prepare(&known.image);
        let exemplars = self
            .exemplars
            .get_or_init(|| subject.exemplars.iter().take(BACKGROUND + 1).map(prepared).collect());
        let others = exemplars.iter().enumerate().filter(|(place, _)| Some(*place) != asked.original);
        let background: Vec<Pixels> = others.take(BACKGROUND).map(|(_, pixels)| pixels.clone()).collect();
        let fitted = QueryClass::fit(model, &prepared(&asked.known), &background, seed)?;
        Ok(class.get_or_init(|| fitted))
    }
}
