use std::fmt;

use crate::words::words;

/// What a trigger is, and how it is laid over an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TriggerKind {
    /// Fitted to one query by equation 8; blended with the whole image.
    PerQuery,
    /// Fitted to many images by equation 2; blended with the whole image.
    Global,
    /// T1 of ablation 4.8.1: a checkerboard of 3 x 3 pixels in the top left corner, stamped on whatever is there.
    /// Nothing is fitted, blend and intensity play no part.
    FixedPatch,
    /// T2 of ablation 4.8.1: 3 x 3 pixels in the top left corner, fitted by equation 8, or 2, with the rest held at
    /// zero; blended with the corner, the rest of the image stays as it is.
    VariablePatch,
    /// A start that nothing was fitted to, the control for [`TriggerKind::Global`]; blended with the whole image.
    Random,
}

impl TriggerKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::PerQuery, Self::Global, Self::FixedPatch, Self::VariablePatch, Self::Random];
}

words!(TriggerKind {
    PerQuery => "per_query",
    Global => "global",
    FixedPatch => "fixed_patch",
    VariablePatch => "variable_patch",
    Random => "random",
});

impl fmt::Display for TriggerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
