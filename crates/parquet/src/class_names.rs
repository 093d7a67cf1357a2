use std::collections::HashMap;

use serde::Deserialize;

/// Where Hugging Face's `datasets` says what the columns of a file are.
const ENTRY: &str = "huggingface";

#[derive(Deserialize)]
struct Description {
    info: Info,
}

#[derive(Deserialize)]
struct Info {
    features: HashMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct ClassLabel {
    names: Vec<String>,
    #[serde(rename = "_type")]
    kind: String,
}

/// The names of the classes that a column's numbers stand for, if the file's metadata gives some. `entry` gives an entry
/// of the metadata; what cannot be understood there says nothing.
pub(crate) fn class_names<'a>(
    entry: impl FnOnce(&str) -> Option<&'a str>,
    column: &str,
) -> Option<Vec<String>> {
    let mut description: Description = serde_json::from_str(entry(ENTRY)?).ok()?;
    let feature = description.info.features.remove(column)?;
    let label: ClassLabel = serde_json::from_value(feature).ok()?;
    (label.kind == "ClassLabel").then_some(label.names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_column_and_of_class_labels_alone() {
        let text = r#"{"info": {"features": {
            "image": {"_type": "Image"},
            "label": {"names": ["airplane", "bird"], "_type": "ClassLabel"},
            "count": {"dtype": "int64", "_type": "Value"}
        }}}"#;
        let names = |column: &str| class_names(|key| (key == "huggingface").then_some(text), column);
        assert_eq!(names("label").unwrap(), ["airplane", "bird"]);
        assert_eq!((names("count"), names("other"), names("image")), (None, None, None));
        assert_eq!(class_names(|_| Some("{\"info\": 3"), "label"), None);
        assert_eq!(class_names(|_| None, "label"), None);
    }
}
