//! Readers of image data sets, and the synthetic glyph set.
