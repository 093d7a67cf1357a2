//! Values that files hold as what they are written as on the command line.

/// Makes a type that is parsed and displayed usable with `#[serde(try_from = "String", into = "String")]`.
macro_rules! stored_as_text {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = crate::EvalError;

            fn try_from(text: String) -> Result<Self, crate::EvalError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    };
}

pub(crate) use stored_as_text;
