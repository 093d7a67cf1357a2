//! What is taken at most, and by which names.

/// Largest encoded image that is taken out of an archive or a table, in bytes, which is also the most that the
/// database accepts.
pub const MAX_IMAGE_BYTES: u64 = 16 << 20;

/// Most images of one SVHN file and members of one archive.
pub const MAX_SAMPLES: u64 = 1 << 24;

/// Extensions of the files that [`image_folder`](crate::image_folder) takes for images, lower case.
pub const IMAGE_EXTENSIONS: [&str; 8] = ["png", "jpg", "jpeg", "ppm", "pgm", "pnm", "bmp", "webp"];
