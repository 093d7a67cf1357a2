use std::sync::atomic::{AtomicU32, Ordering};

use super::{images, moments};
use crate::conformance::{Violation, check_embedder};
use crate::{Digest, EmbedError, Embedder, FeatureRows, Fingerprint, Image};

fn fingerprint(dimension: u32) -> Fingerprint {
    Fingerprint {
        model: "moments".to_owned(),
        weights: Digest([1; 32]),
        preprocessing: Digest([2; 32]),
        dimension,
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum EmbedFlaw {
    None,
    Fails,
    LosesLast,
    WrongDimension,
    CentresTheBatch,
    RefusesNoImages,
    Drifts,
}

/// Mean and deviation of the samples as features.
struct Moments {
    fingerprint: Fingerprint,
    flaw: EmbedFlaw,
    calls: AtomicU32,
}

impl Embedder for Moments {
    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn embed(&self, images: &[Image]) -> Result<FeatureRows, EmbedError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let mut values: Vec<f32> = images.iter().flat_map(moments).collect();
        match self.flaw {
            EmbedFlaw::Fails => return Err(EmbedError::new(std::fmt::Error)),
            EmbedFlaw::RefusesNoImages if images.is_empty() => return Err(EmbedError::new(std::fmt::Error)),
            EmbedFlaw::LosesLast if images.len() > 1 => values.truncate(values.len() - 2),
            EmbedFlaw::WrongDimension => return Ok(FeatureRows::new(1, values).unwrap()),
            EmbedFlaw::CentresTheBatch => {
                let mean = values.iter().sum::<f32>() / values.len().max(1) as f32;
                values = values.into_iter().map(|value| value - mean).collect();
            }
            EmbedFlaw::Drifts => values.iter_mut().for_each(|value| *value += call as f32),
            EmbedFlaw::None | EmbedFlaw::LosesLast | EmbedFlaw::RefusesNoImages => {}
        }
        Ok(FeatureRows::new(2, values).unwrap())
    }
}

fn embedder(flaw: EmbedFlaw) -> Moments {
    Moments { fingerprint: fingerprint(2), flaw, calls: AtomicU32::new(0) }
}

#[test]
fn an_honest_embedder_passes() {
    check_embedder(&embedder(EmbedFlaw::None), &images()).unwrap();
    check_embedder(&embedder(EmbedFlaw::None), &[]).unwrap();
}

#[test]
fn each_flaw_of_an_embedder_is_found() {
    let find = |flaw| check_embedder(&embedder(flaw), &images()).unwrap_err();
    assert!(matches!(find(EmbedFlaw::Fails), Violation::Embed { .. }));
    assert!(matches!(find(EmbedFlaw::RefusesNoImages), Violation::Embed { case: "no images", .. }));
    assert!(matches!(find(EmbedFlaw::LosesLast), Violation::RowCount { found: 4, expected: 5, .. }));
    assert!(matches!(find(EmbedFlaw::WrongDimension), Violation::Dimension { found: 1, expected: 2, .. }));
    assert!(matches!(find(EmbedFlaw::CentresTheBatch), Violation::RowChanged { image: 0, .. }));
    assert!(matches!(find(EmbedFlaw::Drifts), Violation::RowChanged { .. }));
}
