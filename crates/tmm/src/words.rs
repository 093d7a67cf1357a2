/// Gives the variants of a setting the words that requests use.
macro_rules! words {
    ($setting:ident { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $setting {
            /// The names that requests use.
            pub const NAMES: &'static [&'static str] = &[$($word),+];

            /// The one of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// Its name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

pub(crate) use words;
