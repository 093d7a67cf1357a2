use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::{DatasetError, Sample, SampleImage, Samples};

/// The real data set of this name, or `None` with a printed reason.
pub(crate) fn real(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: there is no {}", folder.display());
    None
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn all(samples: Result<Samples, DatasetError>) -> Vec<Sample> {
    samples.unwrap().collect::<Result<_, _>>().unwrap()
}

/// The first error, at opening or among the samples.
pub(crate) fn first_error(samples: Result<Samples, DatasetError>) -> DatasetError {
    match samples {
        Ok(mut samples) => samples.find_map(Result::err).unwrap(),
        Err(error) => error,
    }
}

pub(crate) fn pixels(sample: &Sample) -> &lookalike_plugin_api::Image {
    match &sample.image {
        SampleImage::Decoded(image) => image,
        SampleImage::Encoded(_) | SampleImage::File(_) => panic!("\"{}\" is not decoded", sample.key),
    }
}
