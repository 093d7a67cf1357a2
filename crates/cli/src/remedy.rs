//! What to type when the library refuses: it knows the way out, and not what its commands are called.

use std::path::Path;

use anyhow::anyhow;
use lookalike::Error;

/// The error with the command that helps, where there is one.
#[expect(clippy::wildcard_enum_match_arm, reason = "most errors say all that there is to do")]
pub(crate) fn with_remedy(error: Error, database: &Path) -> anyhow::Error {
    let db = database.display();
    match error {
        Error::MissingModel { wanted, .. } => anyhow!(
            "database {db} does not carry the model {wanted}; \
             give it its files with \"lookalike rebuild {db} --model FILE\""
        ),
        Error::NoModel { .. } => anyhow!("database {db} has no model; make one with \"lookalike init\""),
        Error::NoManifest { manifest, .. } => anyhow!(
            "there is no manifest {}; give --manifest FILE.json, or --input HxW to infer the rest from the weights",
            manifest.display()
        ),
        Error::ViewExists { name } => anyhow!(
            "there is a view \"{name}\" already; drop it with \"lookalike view drop {db} {name}\", or take another name"
        ),
        Error::NothingToFit { collection } => anyhow!(
            "collection \"{collection}\" holds no image to fit a trigger to; store some with \"lookalike ingest\""
        ),
        Error::Unfinished { collection, unfinished } => anyhow!(
            "collection \"{collection}\" is being rebuilt with {unfinished}; go on with \"lookalike rebuild {db}\", \
             or give that up with \"lookalike rebuild {db} --abandon\""
        ),
        Error::NoPreviousModel => anyhow!(
            "no collection keeps rows of a previous model; \"lookalike rebuild\" makes rows of any model"
        ),
        Error::WrittenSince { collection, weights, source } => anyhow::Error::from(*source).context(format!(
            "collection \"{collection}\" was written since the rebuild; \
                 go back with \"lookalike rebuild {db} --model {}\"",
            weights.display()
        )),
        Error::OppositeModels { first, first_model, second, second_model } => anyhow!(
            "collection \"{first}\" is served by {first_model} and \"{second}\" by {second_model}; \
             name the one to change with --collection"
        ),
        other => other.into(),
    }
}
